//! What the assertions of tests expand to.

use std::fmt;

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_held {
    ($lock:expr,) => {
        $crate::__assert_held!($lock)
    };
    ($lock:expr $(, $($message:tt)+)?) => {
        if let ::core::result::Result::Err(why) = $crate::__private::testing::held(&$lock) {
            $crate::__private::testing::fail(&why, $crate::__assert_message!($($($message)+)?));
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_free {
    ($lock:expr,) => {
        $crate::__assert_free!($lock)
    };
    ($lock:expr $(, $($message:tt)+)?) => {
        if let ::core::result::Result::Err(why) = $crate::__private::testing::free(&$lock) {
            $crate::__private::testing::fail(&why, $crate::__assert_message!($($($message)+)?));
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __assert_message {
    () => {
        ::core::option::Option::None
    };
    ($($message:tt)+) => {
        ::core::option::Option::Some(::core::format_args!($($message)+))
    };
}

use crate::error::Error;
use crate::holder::{Evidence, Holder};
use crate::lock::Lock;

/// What can be asserted of: a lock, or the name of one.
pub trait Named {
    #[doc(hidden)]
    fn lock(&self) -> Lock;
}

impl Named for Lock {
    fn lock(&self) -> Lock {
        self.clone()
    }
}

impl Named for &Lock {
    fn lock(&self) -> Lock {
        (*self).clone()
    }
}

impl Named for &str {
    fn lock(&self) -> Lock {
        crate::lock(self)
    }
}

impl Named for String {
    fn lock(&self) -> Lock {
        crate::lock(self)
    }
}

impl Named for &String {
    fn lock(&self) -> Lock {
        crate::lock(self)
    }
}

/// Whether this process holds it.
///
/// # Errors
///
/// Why not.
pub fn held(of: &impl Named) -> Result<(), String> {
    let lock = of.lock();
    let text = match lock.holders().map_err(|error| unknown(&error))?.as_slice() {
        holders if holders.iter().any(is_me) => return Ok(()),
        [] => "nobody has it".to_owned(),
        [holder, ..] => format!("it is held by {holder}"),
    };
    Err(format!("lock `{}` is not held by this process: {text}", lock.full_name()))
}

/// Those who share a file are known by their pid alone.
fn is_me(holder: &Holder) -> bool {
    let has_my_pid = holder.pid() == Some(std::process::id()) && !holder.is_elsewhere();
    holder.evidence() == Evidence::Own || has_my_pid
}

/// Whether nobody holds it.
///
/// # Errors
///
/// Who does.
pub fn free(of: &impl Named) -> Result<(), String> {
    let lock = of.lock();
    let holder = lock.holder().map_err(|error| unknown(&error))?;
    let held = |holder: Holder| format!("lock `{}` is not free: it is held by {holder}", lock.full_name());
    holder.map_or(Ok(()), |holder| Err(held(holder)))
}

fn unknown(error: &Error) -> String {
    format!("who holds a lock cannot be found out: {error}")
}

/// Says so.
///
/// # Panics
///
/// Always.
#[track_caller]
pub fn fail(why: &str, message: Option<fmt::Arguments<'_>>) -> ! {
    match message {
        Some(message) => panic!("{why}: {message}"),
        None => panic!("{why}"),
    }
}
