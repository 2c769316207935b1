//! Names: literals, templates, constants, several.

use std::future::Future;

use lockutils::synchronized;

use crate::support::{held, hold, run, taken};

#[synchronized]
fn unnamed() -> bool {
    held(concat!(module_path!(), "::unnamed"))
}

#[synchronized()]
fn r#try() -> bool {
    held(concat!(module_path!(), "::try"))
}

#[synchronized(read)]
async fn unnamed_with_options() -> bool {
    held(concat!(module_path!(), "::unnamed_with_options"))
}

#[test]
fn without_a_name_the_path_is_the_name() {
    assert!(unnamed());
    assert!(r#try());
    assert!(run(unnamed_with_options()));
}

#[synchronized(r"names/with slash ä {{}}")]
fn odd_literal() -> bool {
    held("names/with slash ä {}") && held("names_with slash ä {}")
}

#[test]
fn literals_may_be_odd() {
    assert!(odd_literal());
}

struct Disk {
    id: u32,
    place: (u8, [u8; 2]),
    r#type: &'static str,
}

#[synchronized("names-{fn}-{disk.id}-{ disk.place.0 }-{disk.type}-{r#type}-{{x}}")]
fn template(disk: &Disk, r#type: u8) -> bool {
    assert_eq!(disk.place.1, [0, 0]);
    held("names-template-3-1-ssd-7-{x}") && r#type == 7
}

#[test]
fn templates_take_arguments_and_fields() {
    assert!(template(&Disk { id: 3, place: (1, [0, 0]), r#type: "ssd" }, 7));
}

#[synchronized("names-moved-{text}")]
fn moved(text: String) -> bool {
    drop(text);
    held("names-moved-x")
}

#[synchronized("names-borrowed-{items_len}")]
fn borrowed_mutably(items: &mut Vec<u8>, items_len: usize) -> bool {
    items.push(1);
    held("names-borrowed-0") && items.len() > items_len
}

#[synchronized("names-changed-{n}")]
fn changed(mut n: u8) -> bool {
    n += 1;
    n == 2 && held("names-changed-1")
}

#[test]
fn names_keep_no_borrow() {
    assert!(moved(String::from("x")));
    assert!(borrowed_mutably(&mut Vec::new(), 0));
    assert!(changed(1));
}

const NAME: &str = "names-constant";
static OTHER_NAME: &str = "names-static";

#[synchronized(NAME)]
fn constant() -> bool {
    held("names-constant")
}

#[synchronized(self::OTHER_NAME)]
fn through_a_path() -> bool {
    held("names-static")
}

#[synchronized(concat!("names-", "concat"))]
fn through_a_macro() -> bool {
    held("names-concat")
}

#[synchronized(format!("names-{:03}-{}", disk.id, text.trim()))]
fn formatted(disk: &Disk, text: String) -> bool {
    drop(text);
    disk.id == 3 && held("names-003-x")
}

#[synchronized(format!("names-{n:03}"), timeout = "25s")]
async fn formatted_in_async(n: u8) -> Result<bool, lockutils::Error> {
    Ok(held(&format!("names-00{n}")))
}

#[synchronized(format!("names-{:?}", numbers[0]))]
fn formatted_for_a_future(numbers: Vec<u8>) -> impl Future<Output = bool> {
    async move { held("names-1") && numbers.len() == 2 }
}

/// What a template does not take, such as a format, a call or an index.
#[test]
fn names_may_be_formatted() {
    assert!(formatted(&Disk { id: 3, place: (1, [0, 0]), r#type: "ssd" }, String::from(" x ")));
    assert_eq!(run(formatted_in_async(7)).ok(), Some(true));
    assert!(run(formatted_for_a_future(vec![1, 2])));
    assert!(Disk { id: 4, place: (1, [0, 0]), r#type: "ssd" }.formatted_method());
}

impl Disk {
    #[synchronized(format!("names-{:#x}", self.id()))]
    fn formatted_method(&self) -> bool {
        held("names-0x4")
    }

    fn id(&self) -> u32 {
        self.id
    }

    const NAME: &'static str = "names-associated";

    #[synchronized(Self::NAME)]
    fn associated(&self) -> bool {
        self.id == 3 && held("names-associated")
    }
}

#[synchronized(Disk::NAME, fair)]
async fn through_a_type() -> bool {
    held("names-associated")
}

#[test]
fn constants_are_names() {
    assert!(constant());
    assert!(through_a_path());
    assert!(through_a_macro());
    assert!(Disk { id: 3, place: (1, [0, 0]), r#type: "ssd" }.associated());
    assert!(run(through_a_type()));
}

#[synchronized("names-b", "names-a")]
fn two() -> bool {
    held("names-a") && held("names-b")
}

#[synchronized("names-a", "names-b")]
fn two_in_another_order() -> bool {
    held("names-a") && held("names-b")
}

#[synchronized("names-disk-{one}", "names-disk-{other}", NAME)]
fn duplicates(one: u8, other: u8) -> bool {
    held(&format!("names-disk-{one}")) && held(&format!("names-disk-{other}")) && held(NAME)
}

#[test]
fn several_names_are_sorted_and_taken_once() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| assert!(two())));
            scope.spawn(|| (0..50).for_each(|_| assert!(two_in_another_order())));
        }
    });
    assert!(duplicates(1, 2));
    assert!(duplicates(1, 1), "one lock is not waited for twice");
    assert!(!held("names-a"));
}

#[synchronized("names-lossy-{text}")]
fn any_text(text: &str) -> usize {
    text.len()
}

#[test]
fn a_lock_that_cannot_fail_takes_every_text() {
    assert_eq!(any_text("\0\n"), 2);
    assert_eq!(any_text(&"long".repeat(100)), 400);
}

/// With the prefix it is longer than a name can be; the lock cannot fail, so it is shortened.
const LONG: usize = 250;

static PREFIXED: lockutils::Locks = lockutils::with_prefix("nova");

#[synchronized("{x}", prefix = "nova")]
fn long_prefixed(x: &str) -> bool {
    long_held(x)
}

#[synchronized("names-long-{x}-{x}", prefix = "nova")]
fn long_template(x: &str) -> bool {
    long_held(&format!("names-long-{x}-{x}"))
}

#[synchronized("{x}", locks = PREFIXED)]
fn long_in_a_registry(x: &str) -> bool {
    long_held(x)
}

#[synchronized("{x}", locks = PREFIXED, fair)]
async fn long_in_a_task(x: &str) -> bool {
    tokio::task::yield_now().await;
    long_held(x)
}

#[synchronized("{x}", prefix = "nova", read)]
fn long_and_read(x: &str) -> bool {
    long_held(x)
}

#[synchronized("{x}", "{y}", prefix = "nova")]
fn long_pair(x: &str, y: &str) -> bool {
    long_held(x) && long_held(y)
}

/// A literal whose prefix is not known before the program runs: too long with it, and fine without.
macro_rules! long_literals {
    ($literal:literal) => {
        #[synchronized($literal, prefix = PREFIX)]
        fn long_literal() -> bool {
            long_held($literal)
        }

        #[synchronized($literal, locks = PREFIXED)]
        fn long_literal_in_a_registry() -> bool {
            long_held($literal)
        }
    };
}

const PREFIX: &str = "nova";

#[rustfmt::skip]
long_literals!("names-literal-23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
    0123456789");

/// Whether this name is held, and the one with another end is not.
fn long_held(name: &str) -> bool {
    let lock = |name: &str| lockutils::lock(name).prefix("nova").hashed();
    taken(&lock(name)) && !taken(&lock(&format!("{name}!")))
}

#[test]
fn long_names_under_a_prefix_are_shortened() {
    for length in [LONG, 251, 255, 256, 1_000] {
        let x = &"n".repeat(length);
        assert!(long_prefixed(x), "{length}");
        assert!(long_template(x), "{length}");
        assert!(long_in_a_registry(x), "{length}");
        assert!(run(long_in_a_task(x)), "{length}");
        assert!(long_and_read(x), "{length}");
        assert!(long_pair(x, &format!("{x}2")) && long_pair(x, x), "{length}");
        assert!(!taken(&lockutils::lock(x).prefix("nova").hashed()), "{length}: it was not let go");
    }
    assert!(long_literal() && long_literal() && long_literal_in_a_registry());
}

/// Many threads under two names that differ in their last byte.
#[test]
fn long_names_exclude_their_equals_and_nobody_else() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    #[synchronized("{x}", prefix = "nova")]
    fn visit(x: &str, inside: &AtomicU32) -> u32 {
        let others = inside.fetch_add(1, SeqCst);
        std::thread::yield_now();
        inside.fetch_sub(1, SeqCst);
        others
    }
    let names = ["a", "b"].map(|end| format!("names-equals-{}{end}", "n".repeat(LONG)));
    let inside = [const { AtomicU32::new(0) }; 2];
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (name, inside) = (&names[number % 2], &inside[number % 2]);
            scope.spawn(move || assert_eq!((0..200).map(|_| visit(name, inside)).max(), Some(0)));
        }
    });
    let [one, other] = &names.map(|name| lockutils::lock(name).prefix("nova").hashed());
    let held = hold(one);
    assert!(taken(one) && !taken(other));
    drop(held);
}
