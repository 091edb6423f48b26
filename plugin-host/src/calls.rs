//! The call graph of a module, and which functions recurse.
//!
//! Indirect calls go through one hub for each signature, which leads to every function of that signature that
//! something refers to. What lies on a cycle recurses and counts its depth; what does not is at most once on any
//! stack, so the longest way through the rest is a bound that needs no counting.

/// The call graph: functions first, then hubs.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: Vec<Vec<u32>>,
}

impl Graph {
    /// A graph of so many nodes without edges.
    pub(crate) fn new(nodes: usize) -> Self {
        Self { edges: vec![Vec::new(); nodes] }
    }

    /// Adds an edge.
    pub(crate) fn add(&mut self, from: usize, to: u32) {
        if let Some(list) = self.edges.get_mut(from) {
            list.push(to);
        }
    }

    fn to(&self, node: u32) -> &[u32] {
        self.edges.get(index(node)).map_or(&[], Vec::as_slice)
    }

    /// The strongly connected components, callees before callers (Tarjan, without recursion of its own).
    pub(crate) fn components(&self) -> Vec<Component> {
        let count = self.edges.len();
        let mut state = Search {
            order: vec![0; count],
            low: vec![0; count],
            on_stack: vec![false; count],
            ..Search::default()
        };
        let mut components = Vec::new();
        for root in (0u32..).take(count) {
            if get(&state.order, root) != 0 {
                continue;
            }
            state.enter(root);
            let mut path: Vec<(u32, usize)> = vec![(root, 0)];
            while let Some((node, next)) = path.last_mut() {
                let node = *node;
                let Some(callee) = self.to(node).get(*next).copied() else {
                    path.pop();
                    if let Some((caller, _)) = path.last() {
                        state.lower(*caller, get(&state.low, node));
                    }
                    if get(&state.low, node) == get(&state.order, node) {
                        let members = state.leave(node);
                        let recursive = members.len() > 1 || self.to(node).contains(&node);
                        components.push(Component { members, recursive });
                    }
                    continue;
                };
                *next = next.saturating_add(1);
                if get(&state.order, callee) == 0 {
                    state.enter(callee);
                    path.push((callee, 0));
                } else if state.on_stack.get(index(callee)).copied().unwrap_or(false) {
                    state.lower(node, get(&state.order, callee));
                }
            }
        }
        components
    }

    /// The heaviest way through the components, where each weighs what the function says.
    pub(crate) fn heaviest(&self, components: &[Component], weigh: impl Fn(&Component) -> u64) -> u64 {
        let mut below = vec![0u64; self.edges.len()];
        let mut most = 0;
        for component in components {
            let callees = component.members.iter().flat_map(|node| self.to(*node));
            let deepest = callees.map(|callee| get(&below, *callee)).max().unwrap_or(0);
            let weight = weigh(component).saturating_add(deepest);
            for member in &component.members {
                if let Some(slot) = below.get_mut(index(*member)) {
                    *slot = weight;
                }
            }
            most = most.max(weight);
        }
        most
    }
}

/// Nodes that can all reach each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) members: Vec<u32>,
    /// Whether one of them can call itself.
    pub(crate) recursive: bool,
}

#[derive(Default)]
struct Search {
    /// When a node was first seen, from 1; 0 is never.
    order: Vec<u32>,
    low: Vec<u32>,
    stack: Vec<u32>,
    on_stack: Vec<bool>,
    clock: u32,
}

impl Search {
    fn enter(&mut self, node: u32) {
        self.clock = self.clock.saturating_add(1);
        for list in [&mut self.order, &mut self.low] {
            if let Some(slot) = list.get_mut(index(node)) {
                *slot = self.clock;
            }
        }
        self.stack.push(node);
        if let Some(slot) = self.on_stack.get_mut(index(node)) {
            *slot = true;
        }
    }

    fn lower(&mut self, node: u32, to: u32) {
        if let Some(slot) = self.low.get_mut(index(node)) {
            *slot = to.min(*slot);
        }
    }

    fn leave(&mut self, root: u32) -> Vec<u32> {
        let mut members = Vec::new();
        while let Some(node) = self.stack.pop() {
            if let Some(slot) = self.on_stack.get_mut(index(node)) {
                *slot = false;
            }
            members.push(node);
            if node == root {
                break;
            }
        }
        members
    }
}

fn index(node: u32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}

fn get<T: Copy + Default>(list: &[T], node: u32) -> T {
    list.get(index(node)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(usize, u32)], nodes: usize) -> Graph {
        let mut graph = Graph::new(nodes);
        for (from, to) in edges {
            graph.add(*from, *to);
        }
        graph
    }

    #[test]
    fn what_lies_on_a_cycle_recurses() {
        // 0 -> 1 <-> 2 -> 3, and 4 calls itself.
        let graph = graph(&[(0, 1), (1, 2), (2, 1), (2, 3), (4, 4)], 5);
        let mut found: Vec<(Vec<u32>, bool)> = Vec::new();
        for mut component in graph.components() {
            component.members.sort_unstable();
            found.push((component.members, component.recursive));
        }
        assert_eq!(found, [(vec![3], false), (vec![1, 2], true), (vec![0], false), (vec![4], true)]);
    }

    #[test]
    fn the_heaviest_way_counts_a_component_once() {
        let graph = graph(&[(0, 1), (1, 2), (2, 1), (2, 3), (0, 4)], 5);
        let components = graph.components();
        assert_eq!(graph.heaviest(&components, |c| if c.recursive { 100 } else { 1 }), 102);
    }

    #[test]
    fn a_long_chain_needs_no_stack_of_ours() {
        let edges: Vec<(usize, u32)> = (0..100_000).map(|n| (n as usize, n + 1)).collect();
        let graph = graph(&edges, 100_001);
        assert_eq!(graph.components().len(), 100_001);
    }
}
