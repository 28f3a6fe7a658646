//! The browser's lock that says which tab leads (Web Locks API). Browser only; there are none outside of secure contexts, which are
//! HTTPS and this machine itself.

use js_sys::{Array, Function, Object, Promise, Reflect};
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::AbortController;

/// The lock's name. What tabs say to each other belongs to it, so that it changes when that does.
const NAME: &str = "kontasks-live-1";

/// What the lock says: whether it is held now, or was lost to another tab.
type OnChange = Box<dyn Fn(Change)>;

/// What happened to the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is held now.
    Held,
    /// Another tab took it away.
    Lost,
    /// It cannot be had here.
    Refused,
}

/// One tab's place at the lock.
pub(super) struct Lock {
    locks: JsValue,
    request: Function,
    /// Which request counts: what older ones still say is ignored.
    generation: Cell<u32>,
    state: RefCell<State>,
    on_change: OnChange,
    this: Weak<Lock>,
}

enum State {
    Free,
    Queued(Option<AbortController>),
    /// Held until this is called.
    Held(Function),
}

impl Lock {
    /// None where the browser has no locks.
    pub(super) fn new(on_change: OnChange) -> Option<Rc<Self>> {
        let locks = Reflect::get(&web_sys::window()?.navigator(), &"locks".into()).ok()?;
        let request = Reflect::get(&locks, &"request".into()).ok()?.dyn_into().ok()?;
        Some(Rc::new_cyclic(|this| Lock {
            locks,
            request,
            generation: Cell::new(0),
            state: RefCell::new(State::Free),
            on_change,
            this: this.clone(),
        }))
    }

    /// Waits for its turn, unless it does so already.
    pub(super) fn queue(&self) {
        if matches!(*self.state.borrow(), State::Free) {
            let abort = AbortController::new().ok();
            let option = abort.as_ref().map(|abort| ("signal", abort.signal().into()));
            self.state.replace(State::Queued(abort));
            self.ask(option);
        }
    }

    /// Takes it away from whoever holds it.
    pub(super) fn steal(&self) {
        if !matches!(*self.state.borrow(), State::Held(_)) {
            self.leave();
            self.state.replace(State::Queued(None));
            self.ask(Some(("steal", JsValue::TRUE)));
        }
    }

    /// Lets go of it, or of its place in the queue.
    pub(super) fn leave(&self) {
        self.generation.set(self.generation.get() + 1);
        match self.state.replace(State::Free) {
            State::Held(release) => drop(release.call0(&JsValue::NULL)),
            State::Queued(Some(abort)) => abort.abort(),
            State::Queued(None) | State::Free => {}
        }
    }

    fn ask(&self, option: Option<(&str, JsValue)>) {
        let generation = self.generation.get();
        let options = Object::new();
        if let Some((name, value)) = option {
            let _ = Reflect::set(&options, &name.into(), &value);
        }
        // The browser may call these after the page has let go of everything: they belong to it.
        let this = self.this.clone();
        let granted = Closure::<dyn Fn() -> JsValue>::new(move || this.upgrade().map_or(JsValue::NULL, |lock| lock.granted(generation)));
        let this = self.this.clone();
        let refused = Closure::<dyn Fn(JsValue)>::new(move |_| {
            if let Some(lock) = this.upgrade() {
                lock.refused(generation);
            }
        });
        let arguments = Array::of3(&NAME.into(), &options, &granted.into_js_value());
        let asked = self.request.apply(&self.locks, &arguments);
        match asked.ok().and_then(|promise| promise.dyn_into::<Promise>().ok()) {
            Some(promise) => on_rejection(&promise, refused),
            None => self.refused(generation),
        }
    }

    /// The lock is held for as long as the promise that is given back is open.
    fn granted(&self, generation: u32) -> JsValue {
        if generation != self.generation.get() {
            return JsValue::NULL;
        }
        let held = Promise::new(&mut |release, _| drop(self.state.replace(State::Held(release))));
        (self.on_change)(Change::Held);
        held.into()
    }

    fn refused(&self, generation: u32) {
        if generation != self.generation.get() {
            return;
        }
        let was = self.state.replace(State::Free);
        (self.on_change)(if matches!(was, State::Held(_)) { Change::Lost } else { Change::Refused });
    }
}

/// By name, since the binding wants the callback to outlive the call.
fn on_rejection(promise: &Promise, callback: Closure<dyn Fn(JsValue)>) {
    if let Ok(Ok(catch)) = Reflect::get(promise, &"catch".into()).map(JsCast::dyn_into::<Function>) {
        let _ = catch.call1(promise, &callback.into_js_value());
    }
}
