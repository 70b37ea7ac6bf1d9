//! What is written here apache-avro reads, and the other way round; what is hostile costs nothing.

mod defaults;
mod derived;
mod schemas;
mod unions;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value, json};

use super::{Shape, framed, from_json, to_json};

const EVERYTHING: &str = r#"{"type": "record", "name": "shop.Everything", "fields": [
    {"name": "truth", "type": "boolean"},
    {"name": "small", "type": "int"},
    {"name": "large", "type": "long"},
    {"name": "half", "type": "float"},
    {"name": "real", "type": "double"},
    {"name": "text", "type": "string"},
    {"name": "bytes", "type": "bytes"},
    {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 4}},
    {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["Red", "Green"]}},
    {"name": "colours", "type": {"type": "array", "items": "Colour"}},
    {"name": "sizes", "type": {"type": "map", "values": "long"}},
    {"name": "perhaps", "type": ["null", "string"], "default": null},
    {"name": "either", "type": ["long", "string", "Colour"]},
    {"name": "next", "type": ["null", "Everything"], "default": null}
]}"#;

fn everything() -> Value {
    let mut inner = json!({
        "truth": true, "small": -2_147_483_648_i64, "large": i64::MAX, "half": 1.5, "real": -0.1,
        "text": "Grüße \u{0}\"", "bytes": [0, 255], "four": [1, 2, 3, 4], "colour": "Green",
        "colours": ["Red", "Green"], "sizes": {"one": 1}, "perhaps": "so", "either": "Red",
        "next": null
    });
    let outer = inner.clone();
    inner["perhaps"] = Value::Null;
    inner["either"] = json!(i64::MIN);
    inner["colours"] = json!([]);
    inner["next"] = outer;
    inner
}

fn shape(schema: &str) -> Shape {
    Shape::parse(schema, &[]).expect("a schema")
}

fn written(schema: &str, value: &Value) -> Vec<u8> {
    let payload = from_json(&shape(schema), 7, value.to_string().as_bytes()).expect("written");
    let (id, datum) = framed(&payload).expect("in Confluent's wire format");
    assert_eq!(id, 7);
    datum.to_vec()
}

fn read(schema: &str, datum: &[u8]) -> Value {
    let json = to_json(&shape(schema), datum).expect("read");
    serde_json::from_slice(&json).expect("JSON")
}

/// Why it is not read.
fn refused(schema: &str, datum: &[u8]) -> String {
    to_json(&shape(schema), datum)
        .expect_err("refused")
        .to_string()
}

/// Why it is not written.
fn unfit(schema: &str, value: &Value) -> String {
    let written = from_json(&shape(schema), 7, value.to_string().as_bytes());
    written.expect_err("refused").to_string()
}

#[test]
fn what_is_written_is_read_again() {
    let value = everything();
    assert_eq!(read(EVERYTHING, &written(EVERYTHING, &value)), value);
}

#[test]
fn apache_avro_reads_what_is_written_and_its_own_is_read() {
    let schema = apache_avro::Schema::parse_str(EVERYTHING).expect("a schema");
    let datum = written(EVERYTHING, &everything());
    let reader = GenericDatumReader::builder(&schema)
        .build()
        .expect("a reader");
    let theirs = reader.read_value(&mut datum.as_slice()).expect("read");
    let Avro::Record(fields) = &theirs else {
        panic!("{theirs:?}");
    };
    assert_eq!(fields[2].1, Avro::Long(i64::MAX));
    assert_eq!(fields[8].1, Avro::Enum(1, "Green".to_owned()));
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("a writer");
    let again = writer.write_value_to_vec(theirs).expect("written");
    assert_eq!(read(EVERYTHING, &again), everything());
}

#[test]
fn what_stands_for_something_else_is_the_text_of_it() {
    let of =
        |logical: &str, base: &str| format!(r#"{{"type": "{base}", "logicalType": "{logical}"}}"#);
    let decimal = r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}"#;
    let fixed = r#"{"type": "fixed", "name": "D", "size": 5, "logicalType": "decimal", "precision": 9, "scale": 2}"#;
    let id = r#"{"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}"#;
    let moment = "2026-03-01T12:30:00.5Z";
    let cases = [
        (of("date", "int"), "2026-03-01"),
        (of("date", "int"), "1969-12-30"),
        (of("time-millis", "int"), "12:30:00.5"),
        (of("time-micros", "long"), "23:59:59.999999"),
        (of("timestamp-millis", "long"), moment),
        (
            of("timestamp-micros", "long"),
            "1969-12-31T23:59:59.999999Z",
        ),
        (of("timestamp-nanos", "long"), moment),
        (
            of("local-timestamp-millis", "long"),
            "2026-03-01T12:30:00.5",
        ),
        (of("uuid", "string"), "67e55044-10b1-426f-9247-bb680e5fe0c8"),
        (id.to_owned(), "67e55044-10b1-426f-9247-bb680e5fe0c8"),
        (decimal.to_owned(), "12.50"),
        (decimal.to_owned(), "-0.01"),
        (decimal.to_owned(), "-1.28"),
        (decimal.to_owned(), "1.28"),
        (decimal.to_owned(), "0.00"),
        (fixed.to_owned(), "-2.55"),
        (fixed.to_owned(), "9999999.99"),
    ];
    for (schema, text) in cases {
        assert_eq!(
            read(&schema, &written(&schema, &json!(text))),
            text,
            "{schema}"
        );
        let theirs = apache_avro::Schema::parse_str(&schema).expect("a schema");
        let reader = GenericDatumReader::builder(&theirs)
            .build()
            .expect("a reader");
        let datum = written(&schema, &json!(text));
        let value = reader
            .read_value(&mut datum.as_slice())
            .expect("read by apache-avro");
        let writer = GenericDatumWriter::builder(&theirs)
            .build()
            .expect("a writer");
        let again = writer
            .write_value_to_vec(value)
            .expect("written by apache-avro");
        assert_eq!(read(&schema, &again), text, "{schema}");
    }
    // Beyond every calendar.
    let far = of("timestamp-millis", "long");
    assert_eq!(
        read(&far, &written(&far, &json!(i64::MAX))),
        json!(i64::MAX)
    );
    let late = of("time-millis", "int");
    assert_eq!(
        read(&late, &written(&late, &json!(86_400_000))),
        json!(86_400_000)
    );
}

#[test]
fn what_a_schema_has_no_place_for_is_named_with_its_field() {
    let mut value = everything();
    value["small"] = json!(2_147_483_648_i64);
    assert_eq!(
        unfit(EVERYTHING, &value),
        "`small`: 2147483648 does not fit into an int"
    );
    let mut value = everything();
    value["next"]["colours"][1] = json!("Blue");
    assert_eq!(
        unfit(EVERYTHING, &value),
        "`next.colours.1`: `Blue` is none of `Red`, `Green`"
    );
    let mut value = everything();
    value["more"] = json!(1);
    assert_eq!(unfit(EVERYTHING, &value), "the schema has no field `more`");
    let mut value = everything();
    value["either"] = json!(true);
    assert_eq!(
        unfit(EVERYTHING, &value),
        "`either`: no branch of the union takes a truth value"
    );
    assert!(unfit("\"long\"", &json!(u64::MAX)).contains("does not fit into a long"));
}

#[test]
fn a_decimal_has_no_more_digits_than_its_schema_says() {
    let bytes = r#"{"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}"#;
    let fixed = r#"{"type": "fixed", "name": "D", "size": 1, "logicalType": "decimal", "precision": 4, "scale": 2}"#;
    for (value, why) in [
        (
            json!("100.00"),
            "`100.00` has more digits than the schema's precision 4",
        ),
        (
            json!(-100),
            "`-100` has more digits than the schema's precision 4",
        ),
        (
            json!("9".repeat(50)),
            "has more digits than the schema's precision 4",
        ),
        (
            json!("1.234"),
            "`1.234` has more digits behind its point than the schema's scale 2",
        ),
        (json!("1e2"), "`1e2` is none such as `12.50`"),
        (json!(true), "asks for a decimal, such as `12.50`"),
    ] {
        for schema in [bytes, fixed] {
            let said = unfit(schema, &value);
            assert!(said.contains(why), "{said}");
        }
    }
    assert!(unfit(fixed, &json!("1.28")).ends_with("takes more than its 1 bytes"));
    for text in ["99.99", "-99.99", "0.00", "12.50"] {
        assert_eq!(read(bytes, &written(bytes, &json!(text))), text);
    }
    assert_eq!(read(bytes, &written(bytes, &json!("0012.5000"))), "12.50");
}

#[test]
fn a_field_that_is_not_there_has_its_default() {
    let schema = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": "int", "default": 5}, {"name": "b", "type": ["null", "int"]}]}"#;
    assert_eq!(
        read(schema, &written(schema, &json!({}))),
        json!({"a": 5, "b": null})
    );
}

#[test]
fn hostile_payloads_are_refused_and_cost_nothing() {
    let list = r#"{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}"#;
    assert!(refused(list, &vec![2; 1_000_000]).ends_with("the value is nested deeper than 127"));
    let endless = r#"{"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}]}"#;
    assert!(refused(endless, &[]).contains("nested deeper"));
    let nested = r#"{"type": "array", "items": "Node"}"#;
    let tree = list.replace(r#"["null", "Node"]"#, nested);
    assert!(refused(&tree, &vec![2; 1_000_000]).contains("nested deeper"));
    // 100 MB, in the bytes of a number, and three more.
    let claim = [0x80, 0x84, 0xAF, 0x5F, 2, 4, 6];
    assert!(refused("\"string\"", &claim).contains("100000000 bytes are to come, and 3 are left"));
    assert!(refused("\"bytes\"", &claim).contains("bytes are to come"));
    for kind in [
        r#"{"type": "array", "items": "long"}"#,
        r#"{"type": "map", "values": "long"}"#,
    ] {
        assert!(
            refused(kind, &claim).contains("are to come, and 0 are left"),
            "{kind}"
        );
    }
    // What takes no bytes can be claimed without end.
    let nothings = r#"{"type": "array", "items": "null"}"#;
    let most = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
    assert!(refused(nothings, &most).contains("bytes as JSON"));
    assert!(refused("\"long\"", &[0xFF; 20]).contains("beyond 64 bits"));
    assert!(refused("\"int\"", &most).contains("beyond 32 bits"));
    assert!(refused("\"string\"", &[2, 0xFF]).contains("no UTF-8"));
    assert!(refused("\"string\"", &[1, 0]).contains("below zero"));
    assert!(refused("\"boolean\"", &[2]).contains("neither 0 nor 1"));
    assert!(refused("\"boolean\"", &[1, 1]).contains("1 bytes stand behind"));
    assert!(refused(r#"["null", "int"]"#, &[4]).contains("no branch number 2"));
    assert!(refused(r#"["null", "int"]"#, &[]).contains("are to come"));
    assert!(refused("\"double\"", &f64::NAN.to_le_bytes()).contains("none at all"));
    let colour = r#"{"type": "enum", "name": "C", "symbols": ["Red"]}"#;
    assert!(refused(colour, &[1]).contains("no symbol number -1"));
}

/// Each record holds the next one twice: what takes no bytes is claimed by the schema itself.
#[test]
fn a_schema_that_grows_without_bytes_is_refused() {
    let mut schema = r#"{"type": "record", "name": "R0", "fields": []}"#.to_owned();
    for nth in 1..=40 {
        let last = nth - 1;
        schema = format!(
            r#"{{"type": "record", "name": "R{nth}", "fields": [{{"name": "a", "type": {schema}}}, {{"name": "b", "type": "R{last}"}}]}}"#
        );
    }
    assert!(refused(&schema, &[]).contains("bytes as JSON"));
}

#[test]
fn truncated_anywhere_it_is_refused() {
    let datum = written(EVERYTHING, &everything());
    let shape = shape(EVERYTHING);
    for length in 0..datum.len() {
        assert!(to_json(&shape, &datum[..length]).is_err(), "at {length}");
    }
}

#[test]
fn a_date_or_time_beyond_an_int_is_refused() {
    for logical in ["date", "time-millis"] {
        let schema = json!({"type": "int", "logicalType": logical}).to_string();
        let most = json!(i32::MAX);
        assert_eq!(read(&schema, &written(&schema, &most)), most);
        assert_eq!(
            unfit(&schema, &json!(2_147_483_648_i64)),
            "2147483648 does not fit into an int"
        );
        let long = written("\"long\"", &json!(2_147_483_648_i64));
        assert_eq!(refused(&schema, &long), "an int is beyond 32 bits");
    }
}

#[test]
fn a_number_that_is_no_float_is_refused() {
    let refused = from_json(&shape(r#""float""#), 1, b"1e300").expect_err("refused");
    assert!(
        refused.to_string().contains("does not fit into a float"),
        "{refused}"
    );
}
