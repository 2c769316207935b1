use lockutils::synchronized;

#[synchronized("name", distributed, expires = "soon")]
fn f() -> Result<(), lockutils::Error> {
    Ok(())
}

#[synchronized("name", distributed, expires = 30)]
fn g() -> Result<(), lockutils::Error> {
    Ok(())
}

#[synchronized("name", distributed, expires = "0s")]
fn h() -> Result<(), lockutils::Error> {
    Ok(())
}

fn main() {
    let _ = (f(), g(), h());
}
