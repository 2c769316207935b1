use lockutils::synchronized;

trait Work {
    #[synchronized("name")]
    fn work(&self) -> u8;
}

fn main() {}
