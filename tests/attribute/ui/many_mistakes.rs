use lockutils::synchronized;

#[synchronized("", "{volum}", fiar, read, write, timeout = 30, distributed)]
const fn work(volume: u8) -> u8 {
    volume
}

fn main() {
    work(1);
}
