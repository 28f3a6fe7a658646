//! What it would cost to sanitise a text: it is parsed piece by piece into a tree without text, while every step of the parser is
//! counted, and given up as soon as a bound is passed. A parser cannot be interrupted within a piece, so pieces are small.

use html5ever::{
    Attribute, ExpandedName, ParseOpts, QualName,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
    local_name, ns, parse_fragment,
    tendril::{StrTendril, TendrilSink},
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

/// The most of each that is sanitised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the text.
    pub bytes: usize,
    /// Elements within each other.
    pub depth: usize,
    /// Elements, with those that the parser adds.
    pub elements: usize,
    /// Bytes of all elements' attributes, with those that the parser repeats.
    pub attribute_bytes: usize,
    /// What can part attributes (white space, slashes and quotes), in one tag.
    pub separators: usize,
    /// Steps of the parser: elements looked at, added and moved.
    pub steps: usize,
    /// Bytes that the serialiser looks at to escape text: for each `&` of a text it looks through all that follows.
    pub escaping: usize,
    /// Time of the processor; what the other bounds do not foresee.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            bytes: 1024 * 1024,
            depth: 128,
            elements: 50_000,
            attribute_bytes: 4 * 1024 * 1024,
            // Within a megabyte, base64 has as many slashes.
            separators: 16_384,
            steps: 5_000_000,
            escaping: 10_000_000_000,
            time: Duration::from_secs(1),
        }
    }
}

/// Which bound a text passes, in words that follow "as HTML it …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too many bytes.
    #[error("is too large")]
    Bytes,
    /// Too deep.
    #[error("nests its elements too deep")]
    Depth,
    /// Too many elements.
    #[error("has too many elements")]
    Elements,
    /// Too many attributes.
    #[error("has too many attributes")]
    Attributes,
    /// Too many steps, or too much time.
    #[error("takes too long to read")]
    Steps,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The depth of the deepest element.
    pub depth: usize,
    /// See [`Bounds::elements`].
    pub elements: usize,
    /// See [`Bounds::attribute_bytes`].
    pub attribute_bytes: usize,
    /// See [`Bounds::steps`].
    pub steps: usize,
    /// See [`Bounds::escaping`].
    pub escaping: usize,
}

/// How much is parsed between two looks at what was counted. A tag has at least three bytes.
const PIECE: usize = 1024;

/// Counts what parsing the text takes, also where that is more than the bounds: it then ends soon after the first one is passed.
pub fn measure(html: &str, bounds: &Bounds) -> (Cost, Result<(), Excess>) {
    if html.len() > bounds.bytes {
        return (Cost::default(), Err(Excess::Bytes));
    }
    let started = processor_time();
    // As ammonia does.
    let mut parser =
        parse_fragment(Counter::default(), ParseOpts::default(), QualName::new(None, ns!(html), local_name!("div")), Vec::new(), false);
    let mut rest = html;
    let mut separators = 0;
    loop {
        let cost = parser.tokenizer.sink.sink.cost.get();
        let excess = [
            (cost.depth > bounds.depth, Excess::Depth),
            (cost.elements > bounds.elements, Excess::Elements),
            (cost.attribute_bytes > bounds.attribute_bytes || separators > bounds.separators, Excess::Attributes),
            (cost.steps > bounds.steps || cost.escaping > bounds.escaping, Excess::Steps),
            (processor_time().saturating_sub(started) > bounds.time, Excess::Steps),
        ];
        if let Some((_, excess)) = excess.into_iter().find(|(is_passed, _)| *is_passed) {
            return (cost, Err(excess));
        }
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
        parser.process(StrTendril::from_slice(piece));
        rest = after;
        // Within one tag the parser looks for each attribute among all before it, and tells nobody until the tag ends.
        if parser.tokenizer.sink.sink.cost.get().steps != cost.steps {
            separators = 0;
        }
        separators += piece.bytes().filter(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | b'/' | b'"' | b'\'')).count();
    }
    (parser.finish(), Ok(()))
}

/// How often the serialiser stops, to look through all that follows of a text or of an attribute's value.
fn stops_of(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'&' | 0xc2)).count()
}

/// What this thread has used of the processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// A tree of which nothing is kept but its shape.
struct Counter {
    document: Rc<Node>,
    cost: Cell<Cost>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Element,
    /// MathML that holds HTML.
    IntegrationPoint,
    Text,
    Other,
}

struct Node {
    kind: Kind,
    /// Empty where it is no element.
    name: QualName,
    parent: RefCell<Weak<Node>>,
    children: RefCell<Vec<Rc<Node>>>,
    /// What is in a template.
    contents: Option<Rc<Node>>,
    /// How long a text is, and how many of its bytes the serialiser stops at.
    text: Cell<(usize, usize)>,
}

impl Node {
    fn element(kind: Kind, name: QualName, contents: Option<Rc<Node>>) -> Rc<Self> {
        Rc::new(Node { kind, name, parent: RefCell::default(), children: RefCell::default(), contents, text: Cell::default() })
    }

    fn nameless(kind: Kind) -> Rc<Self> {
        Self::element(kind, QualName::new(None, ns!(), local_name!("")), None)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Counter { document: Node::nameless(Kind::Other), cost: Cell::default() }
    }
}

impl Drop for Node {
    /// One by one: they may be deeper than the stack.
    fn drop(&mut self) {
        let mut all = std::mem::take(self.children.get_mut());
        all.extend(self.contents.take());
        while let Some(node) = all.pop() {
            // What the parser still holds stays whole.
            if Rc::strong_count(&node) == 1 {
                all.append(&mut node.children.borrow_mut());
                all.extend(node.contents.clone());
            }
        }
    }
}

impl Counter {
    fn count(&self, add: impl FnOnce(&mut Cost)) {
        let mut cost = self.cost.get();
        add(&mut cost);
        self.cost.set(cost);
    }

    fn step(&self, steps: usize) {
        self.count(|cost| cost.steps += steps);
    }

    fn place(&self, parent: &Rc<Node>, at: Option<usize>, child: NodeOrText<Rc<Node>>) {
        let mut children = parent.children.borrow_mut();
        let at = at.unwrap_or(children.len());
        let child = match child {
            NodeOrText::AppendNode(node) => node,
            NodeOrText::AppendText(text) => {
                let before = at.checked_sub(1).and_then(|at| children.get(at)).filter(|before| before.kind == Kind::Text);
                let node = before.map_or_else(|| Node::nameless(Kind::Text), Rc::clone);
                self.add_text(&node, &text);
                if before.is_some() {
                    return;
                }
                node
            }
        };
        *child.parent.borrow_mut() = Rc::downgrade(parent);
        children.insert(at, child);
        let ancestors = std::iter::successors(Some(Rc::clone(parent)), |node| node.parent.borrow().upgrade());
        let depth = ancestors.count();
        self.count(|cost| {
            cost.depth = cost.depth.max(depth);
            cost.steps += depth;
        });
    }

    fn add_text(&self, node: &Node, text: &str) {
        let (length, stops) = node.text.get();
        let grown = (length + text.len(), stops + stops_of(text));
        node.text.set(grown);
        self.count(|cost| cost.escaping += grown.0 * grown.1 - length * stops);
    }

    fn find(&self, node: &Rc<Node>) -> Option<(Rc<Node>, usize)> {
        let parent = node.parent.borrow().upgrade()?;
        let at = parent.children.borrow().iter().position(|child| Rc::ptr_eq(child, node))?;
        self.step(parent.children.borrow().len());
        Some((parent, at))
    }
}

impl TreeSink for Counter {
    type Handle = Rc<Node>;
    type Output = Cost;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Cost {
        self.cost.get()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn get_document(&self) -> Rc<Node> {
        Rc::clone(&self.document)
    }

    fn elem_name<'a>(&'a self, target: &'a Rc<Node>) -> ExpandedName<'a> {
        self.step(1);
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> Rc<Node> {
        let bytes: usize = attrs.iter().map(|attr| attr.name.local.len() + attr.value.len()).sum();
        self.count(|cost| {
            cost.elements += 1;
            cost.attribute_bytes += bytes;
            cost.escaping += attrs.iter().map(|attr| attr.value.len() * stops_of(&attr.value)).sum::<usize>();
            cost.steps += 1 + attrs.len();
        });
        let kind = if flags.mathml_annotation_xml_integration_point { Kind::IntegrationPoint } else { Kind::Element };
        Node::element(kind, name, flags.template.then(|| Node::nameless(Kind::Other)))
    }

    fn create_comment(&self, _: StrTendril) -> Rc<Node> {
        self.step(1);
        Node::nameless(Kind::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Rc<Node> {
        self.step(1);
        Node::nameless(Kind::Other)
    }

    fn append(&self, parent: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.place(parent, None, child);
    }

    fn append_before_sibling(&self, sibling: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        if let NodeOrText::AppendNode(node) = &child {
            self.remove_from_parent(node);
        }
        if let Some((parent, at)) = self.find(sibling) {
            self.place(&parent, Some(at), child);
        }
    }

    fn append_based_on_parent_node(&self, element: &Rc<Node>, before: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        let has_parent = element.parent.borrow().upgrade().is_some();
        if has_parent { self.append_before_sibling(element, child) } else { self.append(before, child) }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {
        self.step(1);
    }

    fn pop(&self, _: &Rc<Node>) {
        self.step(1);
    }

    fn get_template_contents(&self, target: &Rc<Node>) -> Rc<Node> {
        self.step(1);
        target.contents.clone().unwrap_or_else(|| Rc::clone(target))
    }

    fn same_node(&self, x: &Rc<Node>, y: &Rc<Node>) -> bool {
        self.step(1);
        Rc::ptr_eq(x, y)
    }

    fn add_attrs_if_missing(&self, _: &Rc<Node>, attrs: Vec<Attribute>) {
        let bytes: usize = attrs.iter().map(|attr| attr.name.local.len() + attr.value.len()).sum();
        self.count(|cost| {
            cost.attribute_bytes += bytes;
            cost.steps += 1 + attrs.len();
        });
    }

    fn remove_from_parent(&self, target: &Rc<Node>) {
        if let Some((parent, at)) = self.find(target) {
            let removed = parent.children.borrow_mut().remove(at);
            *removed.parent.borrow_mut() = Weak::new();
        }
    }

    fn reparent_children(&self, node: &Rc<Node>, new_parent: &Rc<Node>) {
        let mut moved = std::mem::take(&mut *node.children.borrow_mut());
        self.step(moved.len());
        moved.iter().for_each(|child| *child.parent.borrow_mut() = Rc::downgrade(new_parent));
        new_parent.children.borrow_mut().append(&mut moved);
    }

    fn is_mathml_annotation_xml_integration_point(&self, target: &Rc<Node>) -> bool {
        self.step(1);
        target.kind == Kind::IntegrationPoint
    }
}
