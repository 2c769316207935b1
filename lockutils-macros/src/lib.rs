//! The attribute `#[synchronized]` of `lockutils`, which re-exports it. Use that crate.

use proc_macro::TokenStream;
use quote::quote;

mod args;
mod build;
mod check;
mod expand;
mod func;
mod lost;
mod mistakes;
mod name;
mod options;
mod template;
mod value;

/// The snippet of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs the body of a function under a named lock: one caller at a time.
///
/// It goes on functions and methods, async or not, on default methods and implementations of traits, on
/// generic functions, and on every return type. The signature stays as it is written.
///
/// ```
/// use lockutils::synchronized;
///
/// #[synchronized("counter")]
/// fn next(counter: &std::cell::Cell<u32>) -> u32 {
///     counter.set(counter.get() + 1);
///     counter.get()
/// }
///
/// assert_eq!(next(&std::cell::Cell::new(1)), 2);
/// ```
///
/// The lock is that of `lockutils::lock("counter")` with the same options, so the attribute excludes, and is
/// excluded by, every other way to take that name.
///
/// # Names
///
/// Names come first. A name is a string, or a constant (`NAME`, `Self::NAME`) or macro call (`format!(..)`)
/// that implements `Display`. Several names are several locks: sorted, de-duplicated, all held or none.
/// Without a name, it is `module_path!()::function`; the type of a method is not part of that, so that
/// methods of one name in one module share a lock unless they are given names.
///
/// A string may have places in it, which are filled by the arguments of the function, by variables that its
/// patterns bind, by `self` and by their fields. `{fn}` is the name of the function, `{{` and `}}` are
/// braces. There are no calls, indices or formats; what a place shows, its `Display` writes. Where that is
/// not enough, `format!` is written instead of the string, with the arguments and `self` in reach. A name is
/// made before the lock is waited for and before the body can move its arguments, and it borrows nothing.
///
/// ```
/// # use lockutils::synchronized;
/// struct Volume {
///     id: u32,
///     host: String,
/// }
///
/// impl Volume {
///     const TABLE: &str = "table";
///
///     #[synchronized("volume-{self.host}-{self.id}-{slot.0}", Self::TABLE)]
///     fn attach(self, slot: (u8, char)) -> String {
///         self.host
///     }
///
///     #[synchronized(format!("volume-{:08x}", self.id))]
///     fn detach(&self) {}
/// }
/// # let volume = Volume { id: 1, host: String::from("web") };
/// # volume.detach();
/// # assert_eq!(volume.attach((1, 'a')), "web");
/// ```
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `internal` | between the threads and tasks of this process: the default |
/// | `external` | between the processes of this host, by a lock file |
/// | `distributed` | between the hosts of a cluster, by the engine that is configured |
/// | `read`, `write` | shared with other readers; exclusive, which is the default |
/// | `fair` | in the order of arrival |
/// | `reentrant`, `reentrant = 3` | its thread may take it again, so often; one name, no async |
/// | `semaphore = 4` | so many holders at once |
/// | `timeout = "30s"` | waits no longer: `"500ms"`, `"1.5s"`, `"2m"`, `"1h"` or a `Duration` |
/// | `blocking = false` | does not wait at all: a busy lock is an error |
/// | `expires = "30s"` | a distributed lock is lost after this time; nobody keeps it alive |
/// | `identifier = "node-7"` | who has it, for others to see: anything that is `AsRef<str>` |
/// | `require = Linearizable` | what the engine must promise: a `lockutils::distributed::Promise`; also `[Linearizable, Fenced]`, and said several times |
/// | `prefix = "nova"` | stands before the name: anything that is `AsRef<str>` |
/// | `lock_path = "/run/nova"` | the directory of the lock file: anything that is `AsRef<Path>` |
/// | `locks = self.locks` | a registry of type `Locks`, in place of the process-wide one |
/// | `on_error = panic`, `on_error = path::to::function` | what becomes of an error; see there |
/// | `crate = other::path` | where `lockutils` is, when it has another name; also as a string |
///
/// The body of a function has no guard: it has no fencing token, hears nothing of a loss while it runs (an error is returned
/// when it has ended), and cannot extend `expires`. Where it needs one of these, take a guard by `Lock::acquire`. There are also
/// `ephemeral` and `contender_pattern`, which the attribute does not have.
///
/// Options follow the names, in any order. Those without a value also take `= true` and `= false`;
/// `external = false` says `internal`. The values may be expressions: they see the arguments and `self`, and
/// are computed once for each call.
///
/// ```
/// # use std::time::Duration;
/// use lockutils::{Error, Locks, synchronized};
///
/// struct Service {
///     locks: Locks,
///     patience: Duration,
/// }
///
/// impl Service {
///     #[synchronized("resize-{volume}", external, fair, locks = self.locks, timeout = self.patience)]
///     async fn resize(&self, volume: u32) -> Result<(), Error> {
///         Ok(()) // one at a time, on the whole host
///     }
/// }
/// ```
///
/// # Errors
///
/// Taking the lock can fail with `external`, `distributed`, `timeout`, `blocking = false`, `semaphore` or `reentrant = n`:
/// the body does not run then, and nothing is held. The error is
///
/// - returned, when the return type is written `Result<..>` (or `io::Result<..>`, or any path that ends so),
///   through its `From<lockutils::Error>`. `io::Error` and `Box<dyn Error>` have it. When it is missing, it
///   does not compile: write it, or `on_error` where the error is a type of another crate, such as `String`;
/// - the text of a panic, on every other return type, and with `on_error = panic`;
/// - given to the function of `on_error = path::to::function`, which returns what is to be returned.
///
/// ```
/// use lockutils::{Error, synchronized};
///
/// fn skipped(error: Error) -> Option<u32> {
///     eprintln!("skipped: {error}");
///     None
/// }
///
/// #[synchronized("nightly", blocking = false, on_error = skipped)]
/// fn nightly() -> Option<u32> {
///     Some(1)
/// }
///
/// assert_eq!(nightly(), Some(1));
/// let busy = lockutils::lock("nightly").acquire()?;
/// assert_eq!(nightly(), None);
/// # drop(busy);
/// # Ok::<(), Error>(())
/// ```
///
/// A `distributed` lock can be lost while the body runs. When it has ended, the lock is let go, which is awaited, and if it was
/// lost, that is the error, in place of what the body gave; an error of the body's own stays. So it is also when the body ends by
/// a `return` that stands in it as it is written. After `?`, after a `return` within a macro, and on unwinding, the lock is
/// let go by dropping, and a loss is logged.
///
/// All other locks cannot fail. No error path is generated for them, and characters that a name cannot have
/// are replaced in it.
///
/// # Panics
///
/// As said under *Errors*; and, where the lock cannot fail, when the thread would wait for itself (a function
/// without `reentrant` that calls itself, or another one with its name) and when the environment configures
/// the process with values that cannot be used. In an `extern "C"` function a panic ends the process.
///
/// A panic in the body lets go of the lock and poisons nothing.
///
/// # Async
///
/// In an `async fn` the lock is awaited, on every runtime, and held across every `.await` of the body; a
/// `timeout` is exact with the feature `async` of `lockutils`, and may be 20 ms late without it. The
/// future stays `Send`. A function that returns a future is guarded inside of it when its body ends in
/// `async { .. }`, `Box::pin(async { .. })` or one of them with `.boxed()`, which is what `#[async_trait]`
/// and `#[async_recursion]` make. Its name is then made when the function is called, and statements before
/// that block run without the lock. Any other body of a type that is written `impl Future`,
/// `Pin<Box<dyn Future>>` or `BoxFuture` does not compile, since the lock would be gone before the work
/// begins. A future behind a type alias, or within another type as in `Result<BoxFuture<..>, E>`, cannot be
/// seen: there the lock is held while the future is made, not while it runs.
///
/// ```
/// # use lockutils::synchronized;
/// #[synchronized("cache-{key}")]
/// fn refresh(key: String) -> impl Future<Output = usize> {
///     let length = key.len(); // not yet under the lock
///     async move { length }
/// }
/// # drop(refresh(String::from("a")));
/// ```
///
/// # Cancel safety
///
/// A future that is dropped lets go: of its place in the queue while it waits, of the lock while the body
/// runs.
///
/// # Order of dropping
///
/// Locals of the body and temporaries of its last expression are dropped under the lock, in every edition.
/// Then comes the lock, and then the parameters that the body did not move. A parameter that must be dropped
/// under the lock is bound anew: `let transaction = transaction;`.
///
/// # Costs
///
/// When nothing about a lock depends on the call (names without places, values that are literals, no
/// `locks`), it is made once and kept in a `static` in the function for the life of the program, and found
/// without a look-up. A generic function has one for all its instances. Other locks are made in each call,
/// and their names cost memory only while somebody uses them.
///
/// # Other attributes
///
/// `#[synchronized]` sees what attributes above it have made of the function, and those below see what it
/// made. Above `#[instrument]` the span does not include the wait for the lock; below, it does. It may stand
/// on both sides of `#[test]`, `#[tokio::test]` and `#[async_recursion]`, but only above `#[rstest]` and
/// `#[test_case]`, which copy what is below them to functions of their own. Below `#[async_trait]`, arguments
/// that are patterns have no names that a template could use.
///
/// The generated code needs `unreachable_code` to be no more than denied: under `forbid(unreachable_code)` it
/// does not compile.
#[proc_macro_attribute]
pub fn synchronized(args: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    match synchronize(args.into(), item.clone()) {
        Ok(guarded) => guarded.into(),
        Err(wrong) => {
            let wrong = wrong.into_compile_error();
            quote!(#item #wrong).into() // The function comes back even when something is wrong.
        }
    }
}

fn synchronize(
    args: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> syn::Result<proc_macro2::TokenStream> {
    let mut wrong = mistakes::Mistakes::default();
    let args = args::Args::parse(args, &mut wrong);
    match syn::parse2::<func::Func>(item) {
        Ok(func) => check::check(&args, &func, wrong).map(|plan| expand::expand(&plan, &func)),
        Err(error) => {
            wrong.push(error);
            wrong.finish().map(|()| proc_macro2::TokenStream::new())
        }
    }
}
