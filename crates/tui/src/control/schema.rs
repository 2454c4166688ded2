//! The JSON Schema of everything that `mmm-control --json` prints, made from the types that it
//! prints. Open on purpose: later versions may add fields, and whoever reads must ignore them.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use mmm_proto::console::Answer;
use mmm_proto::doctor::Finding;
use mmm_proto::plan::Plan;
use mmm_proto::view::{HostView, RoleView, WriterView};
use mmm_proto::{ClusterView, Event, MonitorMode, Wall};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::show::CheckRow;

/// The word.
pub const WORD: &str = "schema";

/// What it is for.
pub const HELP: &str = "print the JSON Schema of what --json prints";

/// The schema as text, with its line end.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// The schema: of one object, and of one line of what is followed.
pub fn schema() -> Value {
    let mut types = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let outcome = outcome(&mut types);
    let line = line(&mut types);
    let explained = explained(&mut types);
    let mut all = types.take_definitions(true);
    all.insert("Outcome".to_owned(), outcome);
    all.insert("Line".to_owned(), line);
    all.insert("Explained".to_owned(), explained);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mmm-control --json",
        "description": "Each line of what `mmm-control --json` prints is one such object: an \
            Outcome, which every command ends with and most print alone, or a Line of what is \
            followed (`watch`, `events --follow`). Fields may be added; ignore what you do not \
            know. Times are milliseconds since 1970, UTC; spans are milliseconds.",
        "anyOf": [{ "$ref": "#/$defs/Outcome" }, { "$ref": "#/$defs/Line" }],
        "$defs": all,
    })
}

/// What stands beside `ok`, `exit` and `verb`: exactly one of them.
fn outcome(types: &mut SchemaGenerator) -> Value {
    let events = json!({
        "type": "object",
        "properties": {
            "events": { "type": "array", "items": types.subschema_for::<Event>() },
            "skipped": {
                "type": "integer", "minimum": 0,
                "description": "Events that are no longer kept."
            },
        },
        "required": ["events", "skipped"],
    });
    let what = [
        ("text", "help, config: the text", json!({ "type": "string" })),
        ("view", "show: all that can be seen", types.subschema_for::<ClusterView>().into()),
        (
            "checks",
            "checks: the results",
            json!({
                "type": "array", "items": types.subschema_for::<CheckRow>()
            }),
        ),
        ("mode", "mode: the monitor's mode", types.subschema_for::<MonitorMode>().into()),
        ("explain", "explain: what the text is made of", json!({ "$ref": "#/$defs/Explained" })),
        ("plan", "plan: what would happen", types.subschema_for::<Plan>().into()),
        ("events", "events: what happened, oldest first", events),
        (
            "findings",
            "doctor: what was examined",
            json!({
                "type": "array", "items": types.subschema_for::<Finding>()
            }),
        ),
        (
            "answer",
            "ping, demo and all that acts: the answer",
            types.subschema_for::<Answer>().into(),
        ),
        ("relay", "relay: the socket that it carried to", json!({ "type": "string" })),
        ("error", "why there is nothing else", json!({ "type": "string" })),
    ];
    let mut properties = Map::new();
    let about = |text: &str, mut schema: Value| {
        schema["description"] = json!(text);
        schema
    };
    let ok = "Whether `exit` is 0.";
    properties.insert("ok".to_owned(), about(ok, json!({ "type": "boolean" })));
    let exit = "The exit code: 0 done, 1 refused or failed, 2 wrong usage, 3 the monitor cannot be \
                reached, 4 begun and the outcome is unknown, 5 begun, failed and undone.";
    let code = json!({ "type": "integer", "minimum": 0, "maximum": 5 });
    properties.insert("exit".to_owned(), about(exit, code));
    let verb = "The first word of the command; empty when it could not be read.";
    properties.insert("verb".to_owned(), about(verb, json!({ "type": "string" })));
    let mut one = Vec::new();
    for (name, text, schema) in what {
        one.push(json!({ "required": [name] }));
        properties.insert(name.to_owned(), about(text, schema));
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": ["ok", "exit", "verb"],
        "oneOf": one,
    })
}

/// One line of what is followed.
fn line(types: &mut SchemaGenerator) -> Value {
    let link = json!({
        "type": "object",
        "description": "The link to the monitor was lost, or is back.",
        "properties": {
            "state": { "enum": ["lost", "back"] },
            "text": { "type": "string", "description": "Why, or where it goes." },
        },
        "required": ["state", "text"],
    });
    json!({
        "type": "object",
        "properties": {
            "view": types.subschema_for::<ClusterView>(),
            "event": types.subschema_for::<Event>(),
            "skipped": { "type": "integer", "description": "Events that are no longer kept." },
            "link": link,
        },
        "oneOf": [
            { "required": ["view"] }, { "required": ["event"] },
            { "required": ["skipped"] }, { "required": ["link"] },
        ],
    })
}

/// What `explain` explains: the cluster, or a host, a role or both.
fn explained(types: &mut SchemaGenerator) -> Value {
    json!({
        "type": "object",
        "properties": {
            "cluster": types.subschema_for::<ClusterView>(),
            "now": types.subschema_for::<Wall>(),
            "host": types.subschema_for::<HostView>(),
            "role": types.subschema_for::<RoleView>(),
            "writer": types.subschema_for::<WriterView>(),
        },
        "anyOf": [
            { "required": ["cluster"] },
            { "required": ["now", "host"] },
            { "required": ["now", "role"] },
        ],
    })
}
