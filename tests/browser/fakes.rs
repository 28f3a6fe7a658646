//! A server that the test plays itself: `EventSource` and `HEAD` requests are replaced by ones that record what is asked of them and
//! say what they are told to, and the listeners on the page are counted.

use leptos::{mount::mount_to, prelude::*};
use std::any::Any;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

const FAKES: &str = r#"
(() => {
  const names = ['online', 'offline', 'pagehide', 'pageshow', 'visibilitychange'];
  if (!window.real) {
    window.real = { fetch: window.fetch };
    for (const target of [window, document]) {
      const { addEventListener, removeEventListener } = target;
      target.addEventListener = function (name, ...rest) {
        if (names.includes(name)) fake.pageListeners++;
        if (name === 'unload' || name === 'beforeunload') fake.unload++;
        return addEventListener.call(this, name, ...rest);
      };
      target.removeEventListener = function (name, ...rest) {
        if (names.includes(name)) fake.pageListeners--;
        return removeEventListener.call(this, name, ...rest);
      };
    }
  }
  window.fake = { sources: [], probes: [], listeners: 0, pageListeners: 0, unload: 0 };
  fake.last = () => fake.sources[fake.sources.length - 1];
  fake.open = () => fake.sources.filter((source) => !source.closed).length;
  window.EventSource = class extends EventTarget {
    constructor(url) { super(); this.url = url; this.closed = false; fake.sources.push(this); }
    addEventListener(...rest) { fake.listeners++; super.addEventListener(...rest); }
    removeEventListener(...rest) { fake.listeners--; super.removeEventListener(...rest); }
    close() { this.closed = true; }
  };
  window.fetch = (request, ...rest) => {
    if (request.method !== 'HEAD') return real.fetch.call(window, request, ...rest);
    return new Promise((resolve, reject) => {
      request.signal.addEventListener('abort', () => { reject(new DOMException('', 'AbortError')); });
      fake.probes.push({ url: request.url, signal: request.signal,
        answer: (status, headers) => resolve(new Response(null, { status, headers })), fail: () => reject(new TypeError()) });
    });
  };
})()
"#;

/// Puts the fakes in place, all counts at zero.
pub fn install() {
    js(FAKES);
}

pub fn js(code: &str) -> JsValue {
    js_sys::eval(code).expect("the script runs")
}

pub fn number(code: &str) -> u32 {
    js(code).as_f64().expect("a number") as u32
}

pub fn text(code: &str) -> String {
    js(code).as_string().expect("a text")
}

pub async fn sleep(ms: u32) {
    let promise = js(&format!("new Promise((done) => setTimeout(done, {ms}))"));
    JsFuture::from(js_sys::Promise::from(promise)).await.expect("a timer");
}

/// Waits until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        sleep(10).await;
    }
    panic!("it never came to: {what}");
}

/// The server answers the newest connection.
pub fn open() {
    js("fake.last().dispatchEvent(new Event('open'))");
}

/// The newest connection carries an event.
pub fn say(name: &str, data: &str, id: &str) {
    say_on("fake.last()", name, data, id);
}

pub fn say_on(source: &str, name: &str, data: &str, id: &str) {
    js(&format!("{source}.dispatchEvent(new MessageEvent('{name}', {{ data: JSON.stringify({data}), lastEventId: '{id}' }}))"));
}

/// The newest connection is lost.
pub fn lose() {
    js("fake.last().dispatchEvent(new Event('error'))");
}

/// Answers the first question by `HEAD`.
pub async fn answer(arguments: &str) {
    until("a probe", || number("fake.probes.length") == 1).await;
    js(&format!("fake.probes[0].answer({arguments})"));
}

/// `hello` of the log `k`, with a quick retry.
pub fn hello(head: u64) {
    say("hello", &format!("{{ epoch: 'k', head: {head}, heartbeatMs: 15000, build: 'b', retryMs: 100 }}"), "");
}

pub const RUN: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";
pub const OTHER_RUN: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d";

pub fn output(run: &str, text: &str, seq: u64) {
    say("output", &format!("{{ run: '{run}', text: {text:?}, at: '2026-01-02T09:13:58.259Z' }}"), &format!("k-{seq}"));
}

/// An event of the board.
pub fn board(seq: u64) {
    say("task", &format!("{{ id: '{RUN}', deleted: true }}"), &format!("k-{seq}"));
}

/// A place for a component, empty.
pub fn place() -> web_sys::HtmlElement {
    let document = web_sys::window().and_then(|window| window.document()).expect("a page");
    let place = document.create_element("div").expect("an element");
    document.body().expect("a body").append_child(&place).expect("a place");
    place.unchecked_into()
}

/// A component on the page; its end is the component's.
pub struct Mounted(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any>);

/// Runs `setup` as a component's body.
pub fn mount(setup: impl FnOnce() + 'static) -> Mounted {
    Mounted(Box::new(mount_to(place(), move || {
        setup();
        view! { <p></p> }
    })))
}
