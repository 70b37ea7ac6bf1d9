//! JSON Schemas that are none.

use fanfare::prelude::*;

#[event]
struct Posted {
    #[schemars(regex(pattern = "^(?=a)"))]
    title: String,
}

#[event_handler(json_schema)]
async fn looks_around(post: Posted) -> Result<()> {
    let _ = post.title;
    Ok(())
}

#[event_handler(json_schema = "{")]
async fn no_json(_: Posted) -> Result<()> {
    Ok(())
}

const NO_TYPE: &str = r#"{"type": "post"}"#;

#[event_handler(json_schema = NO_TYPE)]
async fn no_type(_: RawEvent) -> Result<()> {
    Ok(())
}

#[event_handler(json_schema = r#"{"$ref": "https://example.com/post.json"}"#)]
async fn elsewhere(_: RawEvent) -> Result<()> {
    Ok(())
}

#[event_handler(json_schema = r#"{"$ref": "file:///etc/passwd"}"#)]
async fn on_the_disk(_: RawEvent) -> Result<()> {
    Ok(())
}

type Anything = RawEvent;

#[event_handler(json_schema)]
async fn of_its_own(_: Anything) -> Result<()> {
    Ok(())
}

#[test]
fn what_is_no_schema_keeps_the_app_from_starting_and_all_are_named_at_once() {
    let faults = App::new("blog").check().expect_err("six are none");
    let mut said: Vec<_> = faults.iter().collect();
    said.sort_by_key(|fault| fault.places[0].line);
    let expected = [
        ("`looks_around`", "^(?=a)"),
        ("`no_json`", "no JSON"),
        ("`no_type`", "/type"),
        ("`elsewhere`", "https://example.com/post.json"),
        ("`on_the_disk`", "file:///etc/passwd"),
        ("`of_its_own`", "no schema of their own"),
    ];
    assert_eq!(said.len(), expected.len(), "{faults}");
    for (fault, (handler, words)) in said.into_iter().zip(expected) {
        assert!(fault.mistake.contains(handler), "{fault}");
        assert!(fault.mistake.contains(words), "{fault}");
        assert!(fault.places[0].file.ends_with("json_schema_faults.rs"));
    }
}
