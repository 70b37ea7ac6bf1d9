//! Schemas that are made of a type.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use schemars::{JsonSchema, schema_for};
use serde::Serialize;

use serde_json::{Value, json};

use crate::codec::avro::{AvroSchema, framed, from_json, to_json};

fn schema<T: JsonSchema>() -> Value {
    let schema = AvroSchema::derived("shop.OrderPlaced", &schema_for!(T).to_value());
    serde_json::from_str(&schema.expect("a form in Avro").text).expect("JSON")
}

/// Where, and why not.
fn no_form<T: JsonSchema>() -> (String, String) {
    let schema = AvroSchema::derived("OrderPlaced", &schema_for!(T).to_value());
    let none = schema.expect_err("no form in Avro");
    (none.path, none.words)
}

fn again<T: JsonSchema + Serialize>(value: &T) {
    let schema = AvroSchema::derived("OrderPlaced", &schema_for!(T).to_value());
    let schema = schema.expect("a form in Avro");
    let json = serde_json::to_vec(value).expect("JSON");
    let payload = from_json(&schema.shape, 1, &json).expect("written");
    let (_, datum) = framed(&payload).expect("framed");
    let read = to_json(&schema.shape, datum).expect("read");
    let read: Value = serde_json::from_slice(&read).expect("JSON");
    assert_eq!(read, serde_json::to_value(value).expect("JSON"));
}

#[derive(Clone, JsonSchema, Serialize)]
struct Address {
    street: String,
    number: Option<u16>,
}

#[derive(JsonSchema, Serialize)]
#[allow(dead_code, reason = "one of them is enough")]
enum Colour {
    Red,
    /// With a comment.
    Green,
}

#[derive(JsonSchema, Serialize)]
#[serde(tag = "by")]
#[allow(clippy::large_enum_variant, reason = "a test")]
enum Payment {
    Card { last: u32 },
    Invoice { to: Address },
    Cash,
}

#[derive(JsonSchema, Serialize)]
enum Outcome {
    Fine,
    Wrong { why: String },
    Late(i64),
}

#[derive(JsonSchema, Serialize)]
struct Order {
    count: u64,
    byte: u8,
    weight: f32,
    from: Address,
    to: Option<Address>,
    colour: Colour,
    payment: Payment,
    outcomes: Vec<Option<Outcome>>,
    tags: BTreeMap<String, Vec<u8>>,
    by_number: HashMap<u32, bool>,
    address: IpAddr,
    children: Vec<Order>,
    #[serde(default)]
    retries: u32,
}

fn order(children: Vec<Order>) -> Order {
    let address = Address {
        street: "Main".to_owned(),
        number: Some(7),
    };
    Order {
        count: 3,
        byte: 255,
        weight: 1.5,
        from: address.clone(),
        to: None,
        colour: Colour::Green,
        payment: match children.len() {
            0 => Payment::Cash,
            1 => Payment::Card { last: 42 },
            _ => Payment::Invoice { to: address },
        },
        outcomes: vec![
            None,
            Some(Outcome::Fine),
            Some(Outcome::Wrong {
                why: "so".to_owned(),
            }),
            Some(Outcome::Late(-1)),
        ],
        tags: BTreeMap::from([("a".to_owned(), vec![1, 2])]),
        by_number: HashMap::from([(7, true)]),
        address: IpAddr::from([127, 0, 0, 1]),
        children,
        retries: 1,
    }
}

#[test]
fn an_event_is_written_and_read_by_its_own_schema() {
    again(&order(vec![order(vec![]), order(vec![order(vec![])])]));
}

#[test]
fn a_schema_is_what_a_person_would_write() {
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "its schema is looked at")]
    struct Post {
        title: String,
        words: u32,
        language: Option<String>,
        author: Address,
        editor: Address,
        colour: Colour,
        #[serde(default)]
        tags: Vec<String>,
    }
    assert_eq!(
        schema::<Post>(),
        json!({"type": "record", "name": "shop.OrderPlaced", "fields": [
            {"name": "author", "type": {"type": "record", "name": "shop.Address", "fields": [
                {"name": "number", "type": ["null", "int"], "default": null},
                {"name": "street", "type": "string"},
            ]}},
            {"name": "colour", "type": {"type": "enum", "name": "shop.Colour", "symbols": ["Red", "Green"]}},
            {"name": "editor", "type": "shop.Address"},
            {"name": "language", "type": ["null", "string"], "default": null},
            {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
            {"name": "title", "type": "string"},
            {"name": "words", "type": "long"},
        ]})
    );
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is looked at")]
struct Tuple {
    inner: Vec<Place>,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is looked at")]
struct Place {
    at: (f64, f64),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "its schema is looked at")]
enum Either {
    One { a: String },
    Other { b: String },
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is looked at")]
struct HasEither {
    either: Either,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is looked at")]
struct Anything {
    anything: Value,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is looked at")]
struct Dashed {
    #[serde(rename = "post-id")]
    id: u32,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "its schema is looked at")]
struct Flat {
    a: u32,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[test]
fn what_has_no_form_is_named() {
    let (path, words) = no_form::<Tuple>();
    assert_eq!(path, "inner.items.at");
    assert!(words.contains("tuple"), "{words}");

    let (path, words) = no_form::<HasEither>();
    assert_eq!(path, "either");
    assert!(words.contains("without a tag"), "{words}");

    assert_eq!(no_form::<Anything>().0, "anything");

    assert_eq!(no_form::<Dashed>().0, "post-id");

    assert!(no_form::<Flat>().1.contains("flatten"));
}
#[test]
fn fields_beside_a_choice_have_no_form() {
    let choice = json!({"oneOf": [{"type": "object"}]});
    for beside in [
        json!({"type": "object", "$ref": "#/$defs/Choice", "properties": {"kind": {"const": "A"}}}),
        json!({"type": "object", "$ref": "#/$defs/S", "properties": {"kind": {"const": "A"}}}),
        json!({"type": "object", "oneOf": [{"type": "object"}], "properties": {"x": {"type": "integer"}}}),
    ] {
        let kind = json!({"type": "object", "properties": {"kind": {"type": "string"}}});
        let schema = json!({"type": "object", "properties": {"it": beside}, "$defs": {"S": kind, "Choice": choice}});
        let none = AvroSchema::derived("E", &schema).expect_err("no form");
        assert!(none.words.contains("at once"), "{}", none.words);
    }
}

#[derive(JsonSchema, Serialize)]
struct Tree {
    roots: Children,
    by_name: Named,
}

#[derive(JsonSchema, Serialize)]
struct Children(Vec<Node>);

#[derive(JsonSchema, Serialize)]
struct Named(BTreeMap<String, Node>);

#[derive(JsonSchema, Serialize)]
struct Node {
    children: Children,
    by_name: Named,
}

#[test]
fn a_list_or_a_map_holds_what_holds_it() {
    let node = |children| Node {
        children: Children(children),
        by_name: Named(BTreeMap::new()),
    };
    again(&Tree {
        roots: Children(vec![node(vec![node(Vec::new())]), node(Vec::new())]),
        by_name: Named(BTreeMap::from([("one".to_owned(), node(Vec::new()))])),
    });
}

#[test]
fn a_list_of_itself_has_no_form() {
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "its schema is looked at")]
    struct Holds {
        it: Itself,
    }
    #[derive(JsonSchema)]
    struct Itself(#[allow(dead_code, reason = "its schema is looked at")] Vec<Itself>);
    let (path, words) = no_form::<Holds>();
    assert!(path.starts_with("it"), "{path}");
    assert_eq!(
        words,
        "`Itself` is a list, a map or a union that holds itself; put a struct around it"
    );
}

/// Where a type stands first changes nothing of what its parts are called.
#[test]
fn names_stay_when_a_field_comes_before_them() {
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "its schema is looked at")]
    struct Before {
        last: Outcome,
        more: Vec<Outcome>,
        paid: Payment,
    }
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "its schema is looked at")]
    struct After {
        first: Option<Outcome>,
        how: Vec<Payment>,
        last: Outcome,
        more: Vec<Outcome>,
        paid: Payment,
    }
    let before = names(&schema::<Before>());
    assert_eq!(names(&schema::<After>()), before);
    for name in [
        "shop.Outcome_Wrong",
        "shop.Outcome_unit",
        "shop.Payment_Card",
        "shop.Payment_Card_by",
    ] {
        assert!(before.contains(name), "{name}: {before:?}");
    }
    assert!(before.iter().all(|name| !name.contains("__")), "{before:?}");
}

/// All that has a name in a schema.
fn names(schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    match schema {
        Value::Array(parts) => names.extend(parts.iter().flat_map(self::names)),
        Value::Object(fields) => {
            names.extend(fields.values().flat_map(self::names));
            if schema["type"] == "record" || schema["type"] == "enum" {
                names.extend(schema["name"].as_str().map(str::to_owned));
            }
        }
        _ => {}
    }
    names
}

#[derive(JsonSchema, Serialize)]
#[serde(tag = "kind")]
enum Contact {
    Home(Address),
    Work(Work),
    Nowhere,
}

#[derive(JsonSchema, Serialize)]
struct Work {
    at: Address,
    floor: i8,
}

#[derive(JsonSchema, Serialize)]
struct Contacts {
    all: Vec<Contact>,
    first: Option<Contact>,
}

#[test]
fn a_tag_beside_a_struct_makes_one_record_with_its_fields() {
    let address = Address {
        street: "Main".to_owned(),
        number: None,
    };
    let work = Work {
        at: address.clone(),
        floor: -1,
    };
    again(&Contacts {
        first: Some(Contact::Home(address.clone())),
        all: vec![
            Contact::Work(work),
            Contact::Home(address),
            Contact::Nowhere,
        ],
    });
    let schema = schema::<Contacts>();
    let home = &schema["fields"][0]["type"]["items"][0];
    assert_eq!(home["name"], "shop.Contact_Home");
    let fields = home["fields"].as_array().expect("fields").iter();
    let fields: Vec<_> = fields.map(|field| &field["name"]).collect();
    assert_eq!(fields, ["kind", "number", "street"]);
}
