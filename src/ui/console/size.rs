//! Tells a run's terminal how large the console is that shows it, so that what redraws itself fits. Browser only.

use super::Elements;
use crate::{
    domain::id::RunId,
    ui::hooks::{timer::Timer, transport::now},
};
use gloo_net::http::Request;
use leptos::task::spawn_local;
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::ResizeObserver;

/// How long a size must last to be told, in milliseconds: while a window is being pulled it changes with each frame.
const LASTS_MS: u64 = 300;

/// What a row's padding takes of the width, in pixels.
const PADDING: f64 = 28.0;

/// Tells until it is dropped.
pub struct SizeTeller {
    observer: Option<ResizeObserver>,
    _closure: Closure<dyn FnMut()>,
    timer: Rc<Timer>,
}

impl SizeTeller {
    /// Begins with the size that the console has now.
    pub fn new(elements: Elements, run: RunId) -> Self {
        let scroller = elements.scroller.clone();
        let told = Cell::new(None);
        let timer = Rc::new(Timer::new(move || {
            let size = cells(&elements).filter(|size| told.get() != Some(*size));
            if let Some(size) = size.filter(|_| is_seen()) {
                told.set(Some(size));
                spawn_local(tell(run, size));
            }
        }));
        let setting = Rc::clone(&timer);
        // It is called once at the beginning.
        let closure = Closure::<dyn FnMut()>::new(move || setting.set(now() + LASTS_MS));
        let observer = ResizeObserver::new(closure.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(&scroller);
        }
        SizeTeller { observer, _closure: closure, timer }
    }
}

impl Drop for SizeTeller {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
        self.timer.clear();
    }
}

/// How many columns and rows are in view; none where there is no room for any.
fn cells(elements: &Elements) -> Option<(u16, u16)> {
    let cell = elements.probe.get_bounding_client_rect();
    let fit = |length: f64, of_one: f64| if of_one >= 1.0 { (length / of_one).clamp(0.0, 1_000.0) as u16 } else { 0 };
    let columns = fit(f64::from(elements.scroller.client_width()) - PADDING, cell.width());
    let rows = fit(f64::from(elements.scroller.client_height()), cell.height());
    (columns >= 2 && rows >= 1).then_some((columns, rows))
}

/// Of several tabs the one counts that somebody looks at.
fn is_seen() -> bool {
    web_sys::window().and_then(|window| window.document()).is_some_and(|document| !document.hidden())
}

/// Where it does not arrive, the terminal keeps the size that it has.
async fn tell(run: RunId, (columns, rows): (u16, u16)) {
    let body = format!(r#"{{"columns":{columns},"rows":{rows}}}"#);
    if let Ok(request) = Request::post(&format!("/api/v1/runs/{run}/size")).header("Content-Type", "application/json").body(body) {
        let _ = request.send().await;
    }
}
