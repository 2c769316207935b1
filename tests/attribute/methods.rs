//! Methods: every kind of `self`.

use std::sync::Arc;

use lockutils::synchronized;

use crate::support::{held, run};

#[derive(Debug, Default, PartialEq)]
struct Volume {
    id: u32,
    host: Host,
    tags: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Host {
    name: String,
}

impl Volume {
    #[synchronized("methods-new-{id}")]
    fn new(id: u32, name: &str) -> Self {
        assert!(held(&format!("methods-new-{id}")));
        Self { id, host: Host { name: name.to_owned() }, tags: vec![String::from("a")] }
    }

    #[synchronized("methods-host-{self.host.name}-{self.id}")]
    fn host(&self) -> &str {
        assert!(held("methods-host-web-7"));
        &self.host.name
    }

    #[synchronized("methods-tag-{self.id}")]
    fn tag(&mut self, n: usize) -> Option<&mut String> {
        assert!(held(&format!("methods-tag-{}", self.id)));
        self.id += 1;
        if n > 5 {
            return None;
        }
        self.tags.get_mut(n)
    }

    #[synchronized("methods-tags-{self.id}")]
    fn tags(&mut self) -> &mut Vec<String> {
        &mut self.tags
    }

    /// The polonius problem's harmless half: a borrow that is returned on one path only.
    #[synchronized("methods-find")]
    fn find(&mut self, tag: &str) -> &mut String {
        assert!(held("methods-find"));
        if let Some(at) = self.tags.iter().position(|one| one == tag) {
            return &mut self.tags[at];
        }
        self.tags.push(tag.to_owned());
        &mut self.tags[0]
    }

    #[synchronized("methods-iterate")]
    fn iterate(&self) -> impl Iterator<Item = &String> + '_ {
        assert!(held("methods-iterate"));
        self.tags.iter()
    }

    #[synchronized("methods-into-{self.id}")]
    fn into_host(self) -> Host {
        assert!(held("methods-into-7"));
        self.host
    }

    #[synchronized("methods-boxed-{self.id}")]
    fn boxed(mut self: Box<Self>) -> Box<Self> {
        assert!(held("methods-boxed-7"));
        self.id = 8;
        self
    }

    #[synchronized("methods-shared-{self.id}")]
    fn shared(self: Arc<Self>) -> u32 {
        assert!(held("methods-shared-7"));
        self.id
    }

    #[synchronized("methods-async-{self.id}")]
    async fn tags_later(&mut self) -> &mut Vec<String> {
        assert!(held("methods-async-7"));
        tokio::task::yield_now().await;
        assert!(held("methods-async-7"));
        &mut self.tags
    }

    #[synchronized("methods-async-str-{self.id}")]
    async fn name_later(&self, _other: &str) -> &str {
        tokio::task::yield_now().await;
        &self.host.name
    }
}

fn volume() -> Volume {
    Volume::new(7, "web")
}

#[test]
fn constructors() {
    assert_eq!(volume().id, 7);
}

#[test]
fn references_to_self() {
    let mut volume = volume();
    assert_eq!(volume.host(), "web");
    assert_eq!(volume.iterate().count(), 1);
    volume.tags().push(String::from("b"));
    if let Some(tag) = volume.tag(0) {
        tag.push('!');
    }
    assert_eq!(volume.tag(9), None);
    assert_eq!(volume.find("c"), "a!");
    assert_eq!(volume.tags, ["a!", "b", "c"]);
    assert_eq!(volume.id, 9);
}

#[test]
fn self_by_value() {
    assert_eq!(volume().into_host().name, "web");
    assert_eq!(Box::new(volume()).boxed().id, 8);
    assert_eq!(Arc::new(volume()).shared(), 7);
    assert!(!held("methods-into-7"));
}

#[test]
fn async_methods() {
    let mut volume = volume();
    run(volume.tags_later()).push(String::from("b"));
    assert_eq!(volume.tags.len(), 2);
    assert_eq!(run(volume.name_later("x")), "web");
    assert!(!held("methods-async-7"));
}
