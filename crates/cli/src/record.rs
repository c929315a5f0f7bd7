//! `Record`: one line of JSON output, its fields in the order in which they were given.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// A JSON object. The first field is always `type`.
#[derive(Clone, Debug)]
pub(crate) struct Record(Vec<(Cow<'static, str>, Value)>);

impl Record {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self(vec![("type".into(), kind.into())])
    }

    /// The last line of every command: how it went, in one word.
    pub(crate) fn summary(result: &str) -> Self {
        Self::new("summary").with("result", result)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// All fields of an object, in the order of their names.
    pub(crate) fn fields(mut self, object: &Value) -> Self {
        let fields = object.as_object().into_iter().flatten();
        self.0.extend(fields.map(|(name, value)| (name.clone().into(), value.clone())));
        self
    }

    pub(crate) fn text(self, name: &'static str, value: impl fmt::Display) -> Self {
        self.with(name, value.to_string())
    }

    pub(crate) fn elapsed(self, duration: std::time::Duration) -> Self {
        self.with("elapsed_ms", millis(duration))
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index == 0 { '{' } else { ',' };
            // Names are ours: no character in them needs to be escaped.
            write!(f, "{separator}\"{name}\":{value}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_json_with_its_fields_in_order() {
        let record =
            Record::new("value").with("text", "say \"hi\"\n").with("size", 3).with("none", Value::Null);
        let line = record.to_string();
        assert_eq!(line, r#"{"type":"value","text":"say \"hi\"\n","size":3,"none":null}"#);
        assert!(serde_json::from_str::<Value>(&line).is_ok());
    }
}
