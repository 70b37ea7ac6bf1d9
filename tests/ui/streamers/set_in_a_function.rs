use fanfare::prelude::*;

fn main() {
    #[derive(Streamers)]
    struct Streamers {
        main: Memory,
    }
}
