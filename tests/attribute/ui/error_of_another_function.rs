use lockutils::synchronized;

fn handler(_: lockutils::Error) -> String {
    String::new()
}

#[synchronized("name", timeout = "1s", on_error = handler)]
fn work() -> u8 {
    1
}

fn main() {
    work();
}
