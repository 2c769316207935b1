use lockutils::{Error, synchronized};

#[synchronized("name", blocking = False)]
fn work() -> Result<(), Error> {
    Ok(())
}

fn main() {
    work().ok();
}
