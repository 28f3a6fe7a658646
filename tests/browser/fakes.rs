//! A server that the test plays itself: `EventSource`, event streams by `fetch` and `HEAD` requests are replaced by ones that record what
//! is asked of them and say what they are told to, and the listeners on the page are counted. What the server does is awaited until the page
//! has taken it.

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
    opens() { this.dispatchEvent(new Event('open')); }
    says(name, data, lastEventId) { this.dispatchEvent(new MessageEvent(name, { data, lastEventId })); }
    fails() { this.dispatchEvent(new Event('error')); }
  };
  // A stream by `fetch`. It asks for the next bytes once it is done with the last ones, which is what `taken` waits for.
  class Fetched {
    constructor(request, resolve, reject) {
      const { pathname, search } = new URL(request.url);
      const headers = Object.fromEntries(request.headers);
      Object.assign(this, { url: pathname + search, headers, request, resolve, closed: false, reject });
      request.signal.addEventListener('abort', () => {
        this.closed = true;
        this.breaks(new DOMException('', 'AbortError'));
        this.asked?.();
      });
    }
    taken(act) {
      return new Promise((done, fail) => {
        const timer = setTimeout(fail, 4000, 'the page never asked for more');
        this.asked = () => { clearTimeout(timer); done(); };
        act();
      });
    }
    answers(status, headers, body = null) { return this.taken(() => this.resolve(new Response(body, { status, headers }))); }
    opens(type = 'text/event-stream') {
      const source = { start: (controller) => { this.controller = controller; }, pull: () => this.asked?.() };
      return this.answers(200, { 'content-type': type }, new ReadableStream(source, { highWaterMark: 0 }));
    }
    sends(bytes) { return this.closed ? undefined : this.taken(() => this.controller.enqueue(bytes)); }
    writes(text) { return this.sends(new TextEncoder().encode(text)); }
    says(name, data, id) { return this.writes(`${id ? `id: ${id}\n` : ''}event: ${name}\ndata: ${data}\n\n`); }
    breaks(error) { this.reject(error); this.controller?.error(error); }
    fails() { return this.closed ? undefined : this.taken(() => this.breaks(new TypeError('network error'))); }
    ends() { return this.taken(() => this.controller.close()); }
  }
  window.fetch = (request, ...rest) => {
    if (request.headers?.get('accept') === 'text/event-stream') {
      return new Promise((resolve, reject) => fake.sources.push(new Fetched(request, resolve, reject)));
    }
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

/// The server does something; done once the page has taken it.
pub async fn act(code: &str) {
    let taken = js(code);
    JsFuture::from(js_sys::Promise::resolve(&taken)).await.expect("taken");
}

/// The server answers the newest connection.
pub async fn open() {
    act("fake.last().opens()").await;
}

/// The newest connection carries an event.
pub async fn say(name: &str, data: &str, id: &str) {
    say_on("fake.last()", name, data, id).await;
}

pub async fn say_on(source: &str, name: &str, data: &str, id: &str) {
    act(&format!("{source}.says('{name}', JSON.stringify({data}), '{id}')")).await;
}

/// The newest connection is lost.
pub async fn lose() {
    act("fake.last().fails()").await;
}

/// Answers the first question by `HEAD`.
pub async fn answer(arguments: &str) {
    until("a probe", || number("fake.probes.length") == 1).await;
    js(&format!("fake.probes[0].answer({arguments})"));
}

/// `hello` of the log `k`, with a quick retry.
pub async fn hello(head: u64) {
    say("hello", &format!("{{ epoch: 'k', head: {head}, heartbeatMs: 15000, build: 'b', retryMs: 100 }}"), "").await;
}

pub const RUN: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";
pub const OTHER_RUN: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d";

pub async fn output(run: &str, text: &str, seq: u64) {
    say("output", &format!("{{ run: '{run}', text: {text:?}, at: '2026-01-02T09:13:58.259Z' }}"), &format!("k-{seq}")).await;
}

/// An event of the board.
pub async fn board(seq: u64) {
    say("task", &format!("{{ id: '{RUN}', deleted: true }}"), &format!("k-{seq}")).await;
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
