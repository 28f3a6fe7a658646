//! The console in the document: keeps the rows in view drawn, at most once a frame, and follows the end or stays where the reader is.
//! Browser only. Rows are handled by their element's own means instead of the reactive view: a row that has not changed is not
//! touched, so that a selection of text survives what arrives.

use super::{rows, transcript::Transcript, window::Window};
use crate::{domain::event::Output, ui::markup::Markup};
use leptos::prelude::*;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ops::Range,
    rc::{Rc, Weak},
};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{HtmlElement, ResizeObserver};

/// The parts of the console in the document.
pub struct Elements {
    /// What scrolls.
    pub scroller: HtmlElement,
    /// As tall as all rows.
    pub sizer: HtmlElement,
    /// Holds the rows that are drawn.
    pub rows: HtmlElement,
    /// As tall as one row.
    pub probe: HtmlElement,
}

/// What the page around the rows shows of them.
#[derive(Clone, Copy)]
pub struct Report {
    /// How many rows there are.
    pub lines: RwSignal<usize>,
    /// While the reader is not at the end: how many rows have been added since.
    pub behind: RwSignal<Option<usize>>,
    /// How many bytes before the known ones could be loaded.
    pub missing: RwSignal<u64>,
}

/// See the module's words.
pub struct Drawing {
    elements: Elements,
    transcript: RefCell<Transcript>,
    shown: RefCell<Shown>,
    report: Report,
    scheduled: Cell<bool>,
    /// Called when the reader, or a short way to go, asks for rows that are not known.
    wants_more: Box<dyn Fn()>,
    watch: RefCell<Option<SizeWatch>>,
    this: Weak<Drawing>,
}

/// What the document holds.
struct Shown {
    window: Window,
    follows: bool,
    /// How many rows there were when the reader left the end.
    left_at: usize,
    /// Where the scroller was put, or was found, last.
    scroll_top: i32,
    drawn: Range<usize>,
    /// What stands in each of those rows.
    contents: VecDeque<Markup>,
    widest: usize,
    height: f64,
}

/// Calls the drawing when the view or a row gets another size.
struct SizeWatch {
    observer: ResizeObserver,
    _closure: Closure<dyn FnMut()>,
}

/// What is missing is loaded at once where it is no more than this, and else when the reader comes near it.
const LOAD_AT_ONCE: u64 = 4 * 1024 * 1024;

/// How many rows before the first known one are near.
const NEAR: usize = 10;

impl Drawing {
    /// Takes over the rows `drawn`, as the server wrote them.
    pub fn new(elements: Elements, transcript: Transcript, drawn: Range<usize>, report: Report, wants_more: Box<dyn Fn()>) -> Rc<Self> {
        let contents = drawn.clone().map(|number| content(&transcript, number)).collect();
        // Until now the scroller counts from its end: 0 there, and negative above.
        let above_end = f64::from(elements.scroller.scroll_top().saturating_neg().max(0));
        let (row, view) = measure(&elements);
        let mut window = Window { row, view, rows: transcript.rows(), top: 0.0 };
        window.top = (window.end() - above_end).max(0.0);
        let follows = above_end <= row;
        let shown = Shown { window, follows, left_at: transcript.rows(), scroll_top: 0, drawn, contents, widest: 0, height: -1.0 };
        let drawing = Rc::new_cyclic(|this| Drawing {
            elements,
            transcript: RefCell::new(transcript),
            shown: RefCell::new(shown),
            report,
            scheduled: Cell::new(false),
            wants_more,
            watch: RefCell::default(),
            this: Weak::clone(this),
        });
        let _ = drawing.elements.scroller.set_attribute("data-drawn", "");
        drawing.draw();
        drawing.watch_size();
        drawing
    }

    fn watch_size(&self) {
        let this = Weak::clone(&self.this);
        let closure = Closure::<dyn FnMut()>::new(move || {
            if let Some(drawing) = this.upgrade() {
                let (row, view) = measure(&drawing.elements);
                {
                    let mut shown = drawing.shown.borrow_mut();
                    // the row at the upper edge stays there when rows get another height
                    shown.window.top *= row / shown.window.row;
                    (shown.window.row, shown.window.view) = (row, view);
                    shown.scroll_top = drawing.elements.scroller.scroll_top();
                }
                drawing.draw_soon();
            }
        });
        if let Ok(observer) = ResizeObserver::new(closure.as_ref().unchecked_ref()) {
            observer.observe(&self.elements.scroller);
            observer.observe(&self.elements.probe);
            self.watch.replace(Some(SizeWatch { observer, _closure: closure }));
        }
    }

    /// More output.
    pub fn push(&self, output: &Output) {
        self.transcript.borrow_mut().push(output);
        self.draw_soon();
    }

    /// Uses the transcript; what changes in it is drawn with the next frame.
    pub fn with_transcript<T>(&self, use_it: impl FnOnce(&mut Transcript) -> T) -> T {
        let used = use_it(&mut self.transcript.borrow_mut());
        self.draw_soon();
        used
    }

    /// Every row now stands `shift` further down: what the reader sees is to stay in its place.
    pub fn shifted(&self, shift: isize) {
        if shift != 0 {
            let mut shown = self.shown.borrow_mut();
            shown.window.top = (shown.window.top + shift as f64 * shown.window.row).max(0.0);
            shown.left_at = shown.left_at.saturating_add_signed(shift);
            shown.drawn = 0..0;
            shown.contents.clear();
            Markup::default().fill(&self.elements.rows);
        }
        self.draw_soon();
    }

    /// To be called when the scroller has scrolled.
    pub fn scrolled(&self) {
        self.read_scroll();
        self.draw_soon();
    }

    /// To the last row, and on with it.
    pub fn to_end(&self) {
        self.shown.borrow_mut().follows = true;
        self.draw_soon();
    }

    /// To the first row.
    pub fn to_beginning(&self) {
        {
            let mut shown = self.shown.borrow_mut();
            shown.leave_end();
            shown.window.top = 0.0;
        }
        self.draw_soon();
    }

    fn draw_soon(&self) {
        if self.scheduled.replace(true) {
            return;
        }
        let this = Weak::clone(&self.this);
        request_animation_frame(move || {
            if let Some(drawing) = this.upgrade() {
                drawing.scheduled.set(false);
                drawing.draw();
            }
        });
    }

    /// Learns where the reader has scrolled to since the scroller was last put somewhere.
    fn read_scroll(&self) {
        let now = self.elements.scroller.scroll_top();
        let mut shown = self.shown.borrow_mut();
        if (now - shown.scroll_top).abs() <= 1 {
            return;
        }
        let up = now < shown.scroll_top;
        shown.scroll_top = now;
        shown.window.scrolled_to(f64::from(now));
        let gap = shown.window.end() - shown.window.top;
        if gap <= 2.0 || !up && gap <= shown.window.row {
            shown.follows = true;
        } else if up {
            shown.leave_end();
        }
    }

    fn draw(&self) {
        self.read_scroll();
        let mut transcript = self.transcript.borrow_mut();
        let mut shown = self.shown.borrow_mut();
        let changed = transcript.take_changed();
        if shown.follows && self.is_selected() {
            shown.leave_end();
        }
        shown.window.rows = transcript.rows();
        let end = shown.window.end();
        shown.window.top = if shown.follows { end } else { shown.window.top.min(end) };

        let height = shown.window.height();
        if height != shown.height {
            shown.height = height;
            set_style(&self.elements.sizer, "height", &format!("{height}px"));
        }
        let widest = transcript.widest();
        if widest != shown.widest {
            shown.widest = widest;
            set_style(&self.elements.sizer, "--widest", &widest.to_string());
        }
        self.draw_rows(&mut shown, &transcript, changed);
        self.put_scroller(&mut shown);

        let rows = transcript.rows();
        let missing = transcript.missing();
        let is_near = shown.window.first_in_view() < transcript.first() + NEAR;
        let wants_more = missing > 0 && (missing <= LOAD_AT_ONCE || is_near);
        let behind = (!shown.follows).then(|| rows.saturating_sub(shown.left_at));
        drop((transcript, shown));
        set_if_other(self.report.lines, rows);
        set_if_other(self.report.behind, behind);
        set_if_other(self.report.missing, missing);
        if wants_more {
            (self.wants_more)();
        }
    }

    fn draw_rows(&self, shown: &mut Shown, transcript: &Transcript, changed: Option<usize>) {
        let old = shown.drawn.clone();
        let wanted = shown.window.drawn();
        let first = wanted.start.max(transcript.first()).min(wanted.end);
        let new = first..wanted.end;
        let element = &self.elements.rows;
        let kept = old.start.max(new.start)..old.end.min(new.end);
        if kept.is_empty() {
            let (html, contents) = many(transcript, new.clone());
            html.fill(element);
            shown.contents = contents;
        } else {
            for _ in old.start..kept.start {
                remove(element.first_element_child());
                shown.contents.pop_front();
            }
            for _ in kept.end..old.end {
                remove(element.last_element_child());
                shown.contents.pop_back();
            }
            for number in changed.unwrap_or(usize::MAX).max(kept.start)..kept.end {
                let now = content(transcript, number);
                let place = number - kept.start;
                let Some(before) = shown.contents.get_mut(place).filter(|before| **before != now) else { continue };
                if let Some(row) = u32::try_from(place).ok().and_then(|place| element.children().item(place)) {
                    now.fill(&row);
                }
                *before = now;
            }
            let (html, mut contents) = many(transcript, new.start..kept.start);
            if !contents.is_empty() {
                html.put_first(element);
                contents.append(&mut shown.contents);
                shown.contents = contents;
            }
            let (html, mut contents) = many(transcript, kept.end..new.end);
            if !contents.is_empty() {
                html.put_last(element);
                shown.contents.append(&mut contents);
            }
        }
        set_style(element, "transform", &format!("translateY({}px)", shown.window.offset(new.start)));
        shown.drawn = new;
    }

    /// Puts the scroller where the window is.
    fn put_scroller(&self, shown: &mut Shown) {
        let scroller = &self.elements.scroller;
        // beyond the end is the end, whatever fractions the layout has
        let wanted = if shown.follows { shown.height.ceil() } else { shown.window.scroll_top().round() };
        if shown.follows || (wanted - f64::from(shown.scroll_top)).abs() > 1.0 {
            scroller.set_scroll_top(wanted as i32);
            shown.scroll_top = scroller.scroll_top();
        }
    }

    /// Whether the reader has selected text here, and so reads it.
    fn is_selected(&self) -> bool {
        let selection = window().get_selection().ok().flatten().filter(|selection| !selection.is_collapsed());
        selection.and_then(|selection| selection.anchor_node()).is_some_and(|node| self.elements.rows.contains(Some(&node)))
    }
}

impl Drop for SizeWatch {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

impl Shown {
    fn leave_end(&mut self) {
        if self.follows {
            self.follows = false;
            self.left_at = self.window.rows;
        }
    }
}

fn content(transcript: &Transcript, number: usize) -> Markup {
    transcript.row(number).map(|line| rows::content(&line)).unwrap_or_default()
}

fn many(transcript: &Transcript, numbers: Range<usize>) -> (Markup, VecDeque<Markup>) {
    let mut html = Markup::default();
    let mut contents = VecDeque::with_capacity(numbers.len());
    for number in numbers {
        let content = content(transcript, number);
        rows::push_row(&mut html, number, &content);
        contents.push_back(content);
    }
    (html, contents)
}

/// The height of a row and of the view.
fn measure(elements: &Elements) -> (f64, f64) {
    let row = elements.probe.get_bounding_client_rect().height();
    let view = f64::from(elements.scroller.client_height());
    (if row >= 1.0 { row } else { 20.0 }, view)
}

fn remove(element: Option<web_sys::Element>) {
    if let Some(element) = element {
        element.remove();
    }
}

fn set_style(element: &HtmlElement, property: &str, value: &str) {
    // fails for a property that cannot be set, which none of ours is
    let _ = element.style().set_property(property, value);
}

fn set_if_other<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.try_with_untracked(|now| *now != value) == Some(true) {
        signal.try_set(value);
    }
}
