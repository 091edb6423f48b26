//! One function's control flow, and what to charge where.
//!
//! The graph's nodes are stretches of code that are entered only at their beginning: one starts at the entry, after
//! `loop`, `if` and `else`, after `br_if`, and after an `end` that something jumps to. Calls do not split a stretch.
//!
//! Charging each stretch when it starts would be exact. [`Flow::charges`] charges earlier where it can, so that most
//! stretches need no code at all: whatever all ways out of a stretch have to pay in common, the stretch pays. An edge
//! cannot carry code, so all successors of one stretch must have been paid the same in advance: they form a class,
//! and `ahead(class)` is what has been paid when one of its stretches starts. Then
//!
//! ```text
//! charge(n) = cost(n) + ahead(class of n's successors) - ahead(class of n)
//! ```
//!
//! and along any path to an exit the sums cancel: every path pays exactly what it costs. Nothing may be paid ahead
//! into the exit, a loop's header (each iteration must pay for itself) or the entry. `ahead(class)` is the shortest
//! distance from the class to one of these, so no charge is negative. A stretch that ends in `unreachable` has no
//! path to an exit: it is left out of the minimum, and may pay too much, never too little.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wasmparser::Operator;

use crate::cost;

/// A stretch's number.
type Node = u32;

/// The exit of every function.
const EXIT: Node = 0;
/// Where the function starts.
pub(crate) const ENTRY: Node = 1;
/// No node yet.
const NONE: Node = u32::MAX;
/// No path to an exit.
const FAR: u64 = u64::MAX;

/// What the rewriter has to do at a place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A stretch starts.
    Start(Node),
    /// A bulk operation follows, with its size on top of the stack: charge the size shifted by this.
    Bulk(i32),
    /// `memory.grow`, of this many bytes.
    Grow(usize),
    /// `return`, inside of this many blocks.
    Return(u32),
    /// A `select` by a comparison that was just made: its result goes through a local first. wasmi 2.0.0 takes the two
    /// together where the comparison is one with zero, and then looks for what was compared where it is not.
    Settle,
    /// The function's last `end`.
    End,
}

/// A place in the code, as an offset in the file, and what to do there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) at: usize,
    pub(crate) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Block,
    Loop,
    /// An `if` whose `else` has not come; the stretch that ends with it.
    If(Node),
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    /// Where a branch to this frame goes: the header of a loop, else the stretch after the `end` (if there is one).
    label: Node,
    /// Whether it was opened in code that cannot run.
    dead: bool,
}

/// How much is charged ahead of the stretch that costs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// What all ways out have in common.
    Shortest,
    /// Nothing: the plain form, against which the other is tested.
    #[cfg(test)]
    Nothing,
}

/// A function's control flow.
#[derive(Debug)]
pub(crate) struct Flow {
    /// What each node costs, in quarters of a fuel.
    costs: Vec<u32>,
    /// One successor of each node, standing for the class of all of them.
    successor: Vec<Node>,
    /// Union-find over nodes: the classes.
    parent: Vec<Node>,
    /// Loop headers that something really jumps back to.
    header: Vec<bool>,
    edges: Vec<(Node, Node)>,
    frames: Vec<Frame>,
    /// The stretch that the next operator belongs to; [`NONE`] in code that cannot run.
    current: Node,
    /// Whether the operator before may have left a comparison with zero for a `select`.
    compared: bool,
    /// The deepest nesting seen.
    pub(crate) nesting: usize,
    /// The longest `br_table`.
    pub(crate) branches: u32,
    /// What to do where, in the order of the code.
    pub(crate) sites: Vec<Site>,
    /// The functions called, each once.
    pub(crate) calls: Vec<u32>,
    /// The types called indirectly, each once.
    pub(crate) indirect: Vec<u32>,
}

impl Flow {
    /// The flow of a function whose first operator is at this offset.
    pub(crate) fn new(first_operator: usize, locals: u32) -> Self {
        let mut flow = Self {
            costs: Vec::new(),
            successor: Vec::new(),
            parent: Vec::new(),
            header: Vec::new(),
            edges: Vec::new(),
            frames: vec![Frame { kind: Kind::Function, label: EXIT, dead: false }],
            current: ENTRY,
            compared: false,
            nesting: 0,
            branches: 0,
            sites: Vec::new(),
            calls: Vec::new(),
            indirect: Vec::new(),
        };
        flow.node(); // EXIT
        let entry = flow.node();
        flow.start(entry, first_operator);
        flow.spend(cost::of_entry(locals));
        flow
    }

    /// Takes the next operator, which lies at `at..end` and carries `moved` values. The function must be valid so far.
    pub(crate) fn operator(&mut self, operator: &Operator<'_>, at: usize, end: usize, moved: u32) {
        use Operator as O;
        let live = self.current != NONE;
        if live {
            self.spend(cost::of(operator, moved));
        }
        match operator {
            O::Loop { .. } if live => {
                let header = self.follow(end);
                self.open(Kind::Loop, header);
            }
            O::If { .. } if live => {
                let before = self.current;
                self.follow(end);
                self.open(Kind::If(before), NONE);
            }
            O::Block { .. } | O::Loop { .. } | O::If { .. } => self.open(Kind::Block, NONE),
            O::Else => self.turn(end),
            O::End => self.close(at, end),
            O::Br { relative_depth } if live => {
                self.jump(*relative_depth);
                self.current = NONE;
            }
            O::BrIf { relative_depth } if live => {
                self.jump(*relative_depth);
                self.follow(end);
            }
            O::BrTable { targets } if live => {
                self.branches = self.branches.max(targets.len());
                let mut last = NONE;
                for depth in targets.targets().flatten().chain([targets.default()]) {
                    // Neighbors in a table are often equal.
                    if depth != last {
                        self.jump(depth);
                    }
                    last = depth;
                }
                self.current = NONE;
            }
            O::Return if live => {
                self.edge(self.current, EXIT);
                let nest = u32::try_from(self.frames.len()).unwrap_or(u32::MAX).saturating_sub(1);
                self.site(at, Action::Return(nest));
                self.current = NONE;
            }
            O::Unreachable => self.current = NONE,
            O::Call { function_index } if live => insert(&mut self.calls, *function_index),
            O::CallIndirect { type_index, .. } if live => insert(&mut self.indirect, *type_index),
            O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } if live => {
                self.site(at, Action::Bulk(cost::BULK_BYTES_SHIFT));
            }
            O::TableCopy { .. } | O::TableInit { .. } if live => {
                self.site(at, Action::Bulk(cost::BULK_ELEMENTS_SHIFT));
            }
            O::MemoryGrow { .. } if live => self.site(at, Action::Grow(end.saturating_sub(at))),
            O::Select if live && self.compared => self.site(at, Action::Settle),
            _ => {}
        }
        // After an `end`, and past a `nop`, the comparison may have been further up.
        self.compared = matches!(operator, O::I32Eqz | O::I32Eq | O::I32Ne | O::End | O::Nop);
    }

    fn node(&mut self) -> Node {
        let node = u32::try_from(self.costs.len()).unwrap_or(NONE);
        self.costs.push(0);
        self.successor.push(NONE);
        self.parent.push(node);
        self.header.push(false);
        node
    }

    fn site(&mut self, at: usize, action: Action) {
        self.sites.push(Site { at, action });
    }

    fn start(&mut self, node: Node, at: usize) {
        self.current = node;
        self.site(at, Action::Start(node));
    }

    fn spend(&mut self, cost: u32) {
        if let Some(sum) = self.costs.get_mut(index(self.current)) {
            *sum = sum.saturating_add(cost);
        }
    }

    /// A new stretch that the current one runs into.
    fn follow(&mut self, at: usize) -> Node {
        let node = self.node();
        self.edge(self.current, node);
        self.start(node, at);
        node
    }

    fn edge(&mut self, from: Node, to: Node) {
        self.edges.push((from, to));
        let Some(successor) = self.successor.get_mut(index(from)) else { return };
        if *successor == NONE {
            *successor = to;
        } else {
            let other = *successor;
            self.join(other, to);
        }
    }

    fn open(&mut self, kind: Kind, label: Node) {
        self.frames.push(Frame { kind, label, dead: self.current == NONE });
        self.nesting = self.nesting.max(self.frames.len());
    }

    /// The stretch after the `end` of the frame at this index, made when first needed.
    fn label(&mut self, frame: usize) -> Node {
        let label = self.frames.get(frame).map_or(EXIT, |frame| frame.label);
        if label != NONE {
            return label;
        }
        let node = self.node();
        if let Some(frame) = self.frames.get_mut(frame) {
            frame.label = node;
        }
        node
    }

    fn jump(&mut self, depth: u32) {
        let frame = self.frames.len().saturating_sub(1).saturating_sub(index(depth));
        let target = self.label(frame);
        if self.frames.get(frame).is_some_and(|frame| frame.kind == Kind::Loop)
            && let Some(header) = self.header.get_mut(index(target))
        {
            *header = true;
        }
        self.edge(self.current, target);
    }

    /// `else`.
    fn turn(&mut self, end: usize) {
        let top = self.frames.len().saturating_sub(1);
        let Some(Frame { kind: Kind::If(before), .. }) = self.frames.get(top).copied() else { return };
        if self.current != NONE {
            let after = self.label(top);
            self.edge(self.current, after);
        }
        if let Some(frame) = self.frames.get_mut(top) {
            frame.kind = Kind::Block;
        }
        let node = self.node();
        self.edge(before, node);
        self.start(node, end);
    }

    /// `end`.
    fn close(&mut self, at: usize, end: usize) {
        let top = self.frames.len().saturating_sub(1);
        let Some(frame) = self.frames.get(top).copied() else { return };
        let live = self.current != NONE;
        match frame.kind {
            Kind::Function => {
                if live {
                    self.edge(self.current, EXIT);
                }
                self.site(at, Action::End);
            }
            Kind::If(before) => {
                let after = self.label(top);
                self.edge(before, after);
                if live {
                    self.edge(self.current, after);
                }
                self.start(after, end);
            }
            Kind::Block if !frame.dead && frame.label != NONE => {
                if live {
                    self.edge(self.current, frame.label);
                }
                self.start(frame.label, end);
            }
            Kind::Block | Kind::Loop => {}
        }
        self.frames.pop();
    }

    fn find(&mut self, mut node: Node) -> Node {
        loop {
            let up = self.parent.get(index(node)).copied().unwrap_or(node);
            if up == node {
                return node;
            }
            // Halving the path keeps the next search short.
            let above = self.parent.get(index(up)).copied().unwrap_or(up);
            if let Some(slot) = self.parent.get_mut(index(node)) {
                *slot = above;
            }
            node = above;
        }
    }

    fn join(&mut self, a: Node, b: Node) {
        let (a, b) = (self.find(a), self.find(b));
        // The smaller number becomes the root.
        if let Some(slot) = self.parent.get_mut(index(a.max(b))) {
            *slot = a.min(b);
        }
    }

    /// What to charge where, once all operators have been taken.
    pub(crate) fn charges(mut self, ahead: Ahead) -> Charges {
        let count = self.costs.len();
        // A stretch pays whole fuel.
        let costs: Vec<u32> = self.costs.iter().map(|quarters| cost::in_fuel(*quarters)).collect();
        let class: Vec<Node> = (0..count).map(|n| self.find(u32::try_from(n).unwrap_or(NONE))).collect();
        let class_of = |node: Node| class.get(index(node)).copied();

        // For each class, the nodes whose successors it is.
        let mut before: Vec<Vec<Node>> = vec![Vec::new(); count];
        for (node, successor) in (0u32..).zip(&self.successor) {
            if let Some(list) = class_of(*successor).and_then(|to| before.get_mut(index(to))) {
                list.push(node);
            }
        }

        let far = match ahead {
            Ahead::Shortest => FAR,
            #[cfg(test)]
            Ahead::Nothing => 0,
        };
        let mut ahead = vec![far; count];
        let mut queue = BinaryHeap::new();
        let headers = (0u32..).zip(&self.header).filter(|(_, header)| **header).map(|(node, _)| node);
        for node in headers.chain([EXIT, ENTRY]) {
            let root = class_of(node).unwrap_or(EXIT);
            if let Some(slot) = ahead.get_mut(index(root)) {
                *slot = 0;
            }
            queue.push(Reverse((0u64, root)));
        }
        while let Some(Reverse((distance, to))) = queue.pop() {
            if ahead.get(index(to)).is_none_or(|best| *best < distance) {
                continue;
            }
            for node in before.get(index(to)).into_iter().flatten() {
                let cost = costs.get(index(*node)).copied().unwrap_or(0);
                let next = distance.saturating_add(u64::from(cost));
                let Some(root) = class_of(*node) else { continue };
                if let Some(best) = ahead.get_mut(index(root))
                    && next < *best
                {
                    *best = next;
                    queue.push(Reverse((next, root)));
                }
            }
        }

        let paid = |node: Node| {
            let found = class_of(node).and_then(|root| ahead.get(index(root)).copied());
            found.filter(|distance| *distance != FAR).unwrap_or(0)
        };
        let charge: Vec<u64> = (0u32..)
            .zip(costs.iter().zip(&self.successor))
            .map(|(node, (cost, successor))| {
                u64::from(*cost).saturating_add(paid(*successor)).saturating_sub(paid(node))
            })
            .collect();
        let overrun = overrun(&self.edges, &charge, &self.header);
        Charges { charge, header: self.header, overrun }
    }
}

/// The most that is charged between one check of the fuel and the next, in one activation.
///
/// Edges come in the order in which the code was read: all forward edges into a node before any edge out of it.
fn overrun(edges: &[(Node, Node)], charge: &[u64], header: &[bool]) -> u64 {
    let charge_of = |node: Node| charge.get(index(node)).copied().unwrap_or(0);
    let is_header = |node: Node| header.get(index(node)).copied().unwrap_or(false);
    // Since the last check, before the node's own charge.
    let mut since = vec![0u64; charge.len()];
    let mut most = charge_of(ENTRY);
    for (from, to) in edges {
        // The entry and the headers are checked after their charge.
        let spent = if *from == ENTRY || is_header(*from) {
            0
        } else {
            since.get(index(*from)).copied().unwrap_or(0).saturating_add(charge_of(*from))
        };
        if let Some(slot) = since.get_mut(index(*to)) {
            *slot = (*slot).max(spent);
        }
        most = most.max(spent.saturating_add(charge_of(*to)));
    }
    most
}

/// What to charge where.
#[derive(Debug)]
pub(crate) struct Charges {
    charge: Vec<u64>,
    header: Vec<bool>,
    /// The most that is charged between one check and the next, in one activation.
    pub(crate) overrun: u64,
}

impl Charges {
    /// What the stretch pays.
    pub(crate) fn of(&self, node: Node) -> u64 {
        self.charge.get(index(node)).copied().unwrap_or(0)
    }

    /// Whether the fuel is checked when the stretch starts: at the entry, and where a loop comes round.
    pub(crate) fn checked(&self, node: Node) -> bool {
        node == ENTRY || self.header.get(index(node)).copied().unwrap_or(false)
    }
}

fn index(node: u32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}

fn insert(list: &mut Vec<u32>, value: u32) {
    if let Err(at) = list.binary_search(&value) {
        list.insert(at, value);
    }
}
