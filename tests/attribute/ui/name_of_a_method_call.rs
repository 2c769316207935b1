use lockutils::synchronized;

#[synchronized(self::name())]
fn work() {}

fn main() {
    work();
}
