//! Who is in the way of whom.

use super::super::{Failure, Request, Share};
use super::layout::{self, Layout, Patterns};
use super::view::View;

/// What one looks for among the nodes of a lock.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) layout: Layout,
    pub(super) share: Share,
    patterns: Patterns,
}

/// A node with a number, by which those of one directory stand in line. They are compared as kazoo and Curator do it, as texts:
/// those that are negative, after two thousand million nodes, stand before the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number(String);

impl Number {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Rules {
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when there is no such lock in this layout; when a pattern cannot be used.
    pub(super) fn of(layout: Layout, request: &Request) -> Result<Self, Failure> {
        layout.check(request.share)?;
        Ok(Self { layout, share: request.share, patterns: Patterns::new(&request.patterns)? })
    }

    /// The number of a node of ours.
    pub(super) fn number(&self, name: &str) -> Number {
        Number(self.layout.read(name).map(|(_, number)| number.to_owned()).unwrap_or_default())
    }

    /// The last node of a lock's directory that a lock with this number waits for; with none it waits for all.
    pub(super) fn last_before<'a>(&self, nodes: &'a [String], number: Option<&Number>) -> Option<&'a str> {
        self.before(nodes, number).max().map(|(_, node)| node)
    }

    /// Whether that is the only one in the way: no lock stands before it, nobody has a permit or waits for one.
    pub(super) fn is_next(&self, view: &View, number: &Number) -> bool {
        let before = self.before(&view.nodes, Some(number)).count();
        before == 1 && view.queue.is_empty() && self.permit(&view.nodes).is_none()
    }

    fn before<'a>(
        &self,
        nodes: &'a [String],
        number: Option<&Number>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        nodes.iter().filter_map(move |node| {
            let its = self.excludes(node).or_else(|| self.patterns.read(node))?;
            number.is_none_or(|Number(own)| its < own.as_str()).then_some((its, node.as_str()))
        })
    }

    /// The number of a node that a lock of this share waits for.
    fn excludes<'a>(&self, node: &'a str) -> Option<&'a str> {
        match (self.layout.read(node)?, self.share) {
            ((Share::Read, _), Share::Read) => None,
            ((_, number), _) => Some(number),
        }
    }

    /// The last of those who wait for a permit and came before.
    pub(super) fn last_waiting_before<'a>(&self, queue: &'a [String], number: &Number) -> Option<&'a str> {
        self.waiting(queue, Some(number)).max().map(|(_, node)| node)
    }

    fn waiting<'a>(
        &self,
        queue: &'a [String],
        before: Option<&Number>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let layout = self.layout;
        let before = before.cloned();
        queue.iter().filter_map(move |node| match layout.read(node)? {
            (Share::Write, its) if before.as_ref().is_none_or(|Number(own)| its < own.as_str()) => {
                Some((its, node.as_str()))
            }
            _ => None,
        })
    }

    /// A permit that somebody has, since a lock waits for all of them.
    pub(super) fn permit<'a>(&self, nodes: &'a [String]) -> Option<&'a str> {
        let is_permit = |node: &&String| self.layout == Layout::Kazoo && layout::is_permit(node);
        nodes.iter().find(is_permit).map(String::as_str)
    }

    /// The nodes of locks, for which a permit waits. What else there is counts as a permit, as kazoo has it.
    pub(super) fn locks<'a>(&self, nodes: &'a [String]) -> Vec<&'a str> {
        let is_lock = |node: &&String| self.layout.read(node).is_some() || self.patterns.read(node).is_some();
        nodes.iter().filter(is_lock).map(String::as_str).collect()
    }

    /// How many permits are taken, or will be by those who wait before this number, or by all who wait. One who is just taking
    /// it is not counted twice.
    pub(super) fn taken(&self, view: &View, before: Option<&Number>) -> usize {
        let has = |id: &str| view.nodes.iter().any(|node| node == id);
        let coming =
            self.waiting(&view.queue, before).filter(|(_, node)| node.get(..32).is_none_or(|id| !has(id)));
        self.permits(&view.nodes) + coming.count()
    }

    pub(super) fn permits(&self, nodes: &[String]) -> usize {
        nodes.len() - self.locks(nodes).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn rules(share: Share, patterns: &[&str]) -> Rules {
        let mut request = Request::new("x", share);
        request.patterns = patterns.iter().map(|pattern| Box::from(*pattern)).collect();
        Rules::of(Layout::Kazoo, &request).expect("it is right")
    }

    #[test]
    fn a_writer_waits_for_all_before_it_and_a_reader_for_writers() {
        let nodes = Vec::from([
            format!("{B}__rlock__0000000003"),
            format!("{A}__lock__0000000001"),
            format!("{A}__rlock__0000000004"),
            "other".to_owned(),
            format!("{B}__lock__0000000009"),
            "_c_x-lock-0000000002".to_owned(),
        ]);
        let (write, read) = (rules(Share::Write, &[]), rules(Share::Read, &[]));
        let own = write.number("x__lock__0000000004");
        assert_eq!(write.last_before(&nodes, Some(&own)), Some(nodes[0].as_str()));
        assert_eq!(read.last_before(&nodes, Some(&own)), Some(nodes[1].as_str()));
        assert_eq!(write.last_before(&nodes, None), Some(nodes[4].as_str()));
        let first = write.number("x__lock__0000000001");
        assert_eq!(write.last_before(&nodes, Some(&first)), None);
        let view = |nodes: &[String], queue| View { nodes: nodes.to_vec(), queue, data: None };
        assert!(
            !write.is_next(&view(&nodes, Vec::new()), &own) && read.is_next(&view(&nodes, Vec::new()), &own)
        );
        assert!(!read.is_next(&view(&nodes, Vec::from([nodes[1].clone()])), &own), "one waits for a permit");
        assert!(
            !read.is_next(&view(&[&nodes[..], &[A.to_owned()]].concat(), Vec::new()), &own),
            "or has one"
        );
        let pattern = rules(Share::Read, &["-lock-"]);
        assert_eq!(pattern.last_before(&nodes, Some(&own)), Some(nodes[5].as_str()));
    }

    #[test]
    fn numbers_that_have_overflowed_come_first_as_kazoo_has_them() {
        let nodes = Vec::from([format!("{A}__lock__-2147483648"), format!("{B}__lock__2147483647")]);
        let rules = rules(Share::Write, &[]);
        assert_eq!(rules.last_before(&nodes, Some(&rules.number(&nodes[0]))), None);
        assert_eq!(rules.last_before(&nodes, Some(&rules.number(&nodes[1]))), Some(nodes[0].as_str()));
    }

    #[test]
    fn permits_are_counted_once() {
        let rules = rules(Share::Permit(3), &[]);
        let view = View {
            nodes: Vec::from([A.to_owned(), "other".to_owned(), format!("{B}__lock__0000000001")]),
            queue: Vec::from([format!("{A}__lock__0000000001"), format!("{B}__lock__0000000002")]),
            data: None,
        };
        assert_eq!(rules.permits(&view.nodes), 2, "whatever is no lock is a permit");
        assert_eq!(rules.taken(&view, None), 3, "the one who is just taking it has it");
        assert_eq!(rules.taken(&view, Some(&rules.number("x__lock__0000000002"))), 2);
        assert_eq!(rules.locks(&view.nodes), [view.nodes[2].as_str()]);
        assert_eq!(rules.permit(&view.nodes), Some(A));
        let waiting = rules.last_waiting_before(&view.queue, &rules.number("x__lock__0000000002"));
        assert_eq!(waiting, Some(view.queue[0].as_str()));
    }

    #[test]
    fn who_is_gone_has_no_number() {
        let rules = rules(Share::Write, &[]);
        assert_eq!(rules.number(""), Number(String::new()));
        assert_eq!(rules.last_before(&[format!("{A}__lock__0000000000")], Some(&rules.number(""))), None);
    }
}
