//! What cannot be read is a dead letter at once, with its reason and every byte.

use std::time::Duration;

use fanfare_tests::brokers::Apicurio;
use fanfare_tests::{Ear, extension, listen, publish};
use serde_json::{Value, json};

use super::{ORDER, Started, event, foreign, order_payload, order_schema, start};

async fn reason(started: &Started, letters: &mut Ear, payload: &[u8]) -> String {
    let message = event("OrderPlaced", Some("application/avro"), payload);
    publish(&started.main, "orders", message).await;
    let letter = letters.next_event().await;
    assert_eq!(letter.payload(), payload, "with every byte");
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    extension(&letter, "deadletterreason")
}

fn payload(schema: &Value, subject: &str, datum: &[u8]) -> Vec<u8> {
    let id = Apicurio::shared().register(subject, schema);
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_and_stops_nothing() {
    let mut started = start().await;
    let mut letters = listen(&started.main, "orders.dead-letters").await;
    let node = json!({"type": "record", "name": "Node", "fields": [
        {"name": "next", "type": ["null", "Node"]},
    ]});
    let text = json!({"type": "record", "name": "Text", "fields": [{"name": "orderId", "type": "string"}]});
    let nothings = json!({"type": "record", "name": "Nothings", "fields": [
        {"name": "lines", "type": {"type": "array", "items": "null"}},
    ]});
    let id = Apicurio::shared().register("orders-value", &order_schema());
    let order = order_payload(id);
    let truncated = &order[..order.len() - 3];
    let more = [&order[..], b"more"].concat();
    let most = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
    let hostile: Vec<(Vec<u8>, &str)> = vec![
        (b"\x01garbage".to_vec(), "not in Confluent's wire format"),
        (b"\0\0\0".to_vec(), "not in Confluent's wire format"),
        (truncated.to_vec(), "are left"),
        (more, "4 bytes stand behind the value"),
        (
            payload(&node, "node-value", &[2; 100_000]),
            "nested deeper than 127",
        ),
        (
            payload(&text, "text-value", b"\x80\x84\xAF\x5Fshort"),
            "100000000 bytes are to come",
        ),
        (payload(&text, "text-value", b"\x02\xFF"), "no UTF-8"),
        (payload(&nothings, "nothings-value", &most), "bytes as JSON"),
        // Of its own schema, and no order.
        (
            payload(&text, "text-value", b"\x04so"),
            "missing field `placedAt`",
        ),
    ];
    for (payload, words) in hostile {
        let reason = reason(&started, &mut letters, &payload);
        let reason = tokio::time::timeout(Duration::from_secs(30), reason).await;
        let reason = reason.unwrap_or_else(|_| panic!("{words}: no dead letter"));
        assert!(reason.contains(words), "{words}: {reason}");
    }
    publish(&started.main, "orders", foreign(&order)).await;
    assert_eq!(started.next_of("order").await, ORDER);
}
