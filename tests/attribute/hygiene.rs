//! Names of the user and names of ours do not meet.

use lockutils::synchronized;

use crate::support::{held, run};

#[synchronized("hygiene-{__lock}-{__guard}", timeout = "1s")]
fn our_words(__lock: u8, __guard: String) -> Result<u8, lockutils::Error> {
    assert!(held("hygiene-1-2"));
    drop(__guard);
    assert!(held("hygiene-1-2"));
    let __ret = __lock;
    Ok(__ret)
}

#[synchronized("hygiene-dropped")]
#[expect(clippy::no_effect_underscore_binding, reason = "the name is what is tested")]
async fn guard_of_the_user() -> bool {
    let __guard = 1;
    tokio::task::yield_now().await;
    held("hygiene-dropped")
}

#[test]
fn variables_may_have_our_names() {
    assert_eq!(our_words(1, String::from("2")).ok(), Some(1));
    assert!(run(guard_of_the_user()));
}

macro_rules! functions {
    ($function:ident, $literal:literal, $argument:ident) => {
        #[synchronized($literal)]
        fn $function($argument: u8) -> bool {
            held(&format!("hygiene-literal-{}", $argument))
        }
    };
    ($function:ident, $name:expr) => {
        #[synchronized($name, timeout = "1s")]
        fn $function(own: u8) -> Result<bool, lockutils::Error> {
            Ok(own == 1 && held("hygiene-expr-1"))
        }
    };
    ($($visible:vis fn $function:ident($($argument:ident: $type:ty),*) -> $output:ty $body:block)*) => {
        $(
            #[synchronized("hygiene-whole")]
            $visible fn $function($($argument: $type),*) -> $output $body
        )*
    };
}

functions!(with_literal, "hygiene-literal-{id}", id);
functions!(with_expr, "hygiene-expr-{own}");
functions! {
    pub(crate) fn whole(n: u8) -> bool {
        n == 1 && held("hygiene-whole")
    }
}

macro_rules! hidden_argument {
    ($template:literal, $timeout:expr, $path:path) => {
        struct Hidden {
            id: u8,
        }

        impl Hidden {
            #[synchronized($template, timeout = $timeout, on_error = $path)]
            fn method(&self, id: u8) -> bool {
                self.id == id && held("hygiene-hidden-3-3")
            }
        }
    };
}

fn no(_: lockutils::Error) -> bool {
    false
}

hidden_argument!("hygiene-hidden-{self.id}-{id}", std::time::Duration::from_secs(1), self::no);

#[test]
fn macros_may_write_functions() {
    assert!(with_literal(1));
    assert_eq!(with_expr(1).ok(), Some(true));
    assert!(whole(1));
    assert!(Hidden { id: 3 }.method(3));
}

/// Neither modules nor macros of these names are taken for the real ones.
#[allow(dead_code, unused_macros, reason = "they only shadow")]
mod shadowed {
    mod core {}
    mod std {}
    mod lockutils {}
    enum Result {}
    enum Option {}
    macro_rules! format_args {
        () => {};
    }
    macro_rules! module_path {
        () => {};
    }

    #[::lockutils::synchronized("hygiene-{a}", timeout = "1s", prefix = "shadow", reentrant = 3)]
    fn all_options(a: u8) -> ::std::result::Result<u8, ::lockutils::Error> {
        ::std::result::Result::Ok(a)
    }

    #[::lockutils::synchronized]
    pub(super) fn unnamed() -> u8 {
        all_options(1).unwrap_or(0)
    }
}

#[test]
fn nothing_is_shadowed() {
    assert_eq!(shadowed::unnamed(), 1);
}
