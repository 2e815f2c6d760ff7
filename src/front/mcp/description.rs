//! What a client says of itself, held to its bounds: it is kept, stored, and sent on to backends.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::{
    limits::CLIENT_DESCRIPTION_BYTES_MAX,
    mcp::{failure::Failure, object::RawObject},
};

/// Takes the client's `Implementation`; `member` is what the era calls it.
///
/// # Errors
///
/// When it is no object with a name, or too large.
pub(super) fn info(member: &str, raw: &RawValue) -> Result<Arc<RawValue>, Failure> {
    let info = capabilities(member, raw)?;
    if RawObject::parse_or_empty(Some(raw))
        .get_str("name")
        .is_none()
    {
        return Err(invalid(format!("{member} needs name, a string")));
    }
    Ok(info)
}

/// Takes the client's capabilities; `member` is what the era calls them.
///
/// # Errors
///
/// When they are no object, or too large.
pub(super) fn capabilities(member: &str, raw: &RawValue) -> Result<Arc<RawValue>, Failure> {
    if raw.get().len() > CLIENT_DESCRIPTION_BYTES_MAX {
        return Err(invalid(format!(
            "{member} is larger than {CLIENT_DESCRIPTION_BYTES_MAX} bytes"
        )));
    }
    if !raw.get().starts_with('{') {
        return Err(invalid(format!("{member} must be an object")));
    }
    Ok(raw.to_owned().into())
}

fn invalid(reason: String) -> Failure {
    Failure::InvalidParams { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: String) -> Box<RawValue> {
        RawValue::from_string(text).unwrap()
    }

    #[test]
    fn what_a_client_says_of_itself_is_an_object_of_bounded_size() {
        let sized = |bytes: usize| raw(format!(r#"{{"name":"{}"}}"#, "x".repeat(bytes - 11)));
        let most = sized(CLIENT_DESCRIPTION_BYTES_MAX);
        assert_eq!(info("clientInfo", &most).unwrap().get(), most.get());
        let refused = |text: &RawValue| info("clientInfo", text).unwrap_err().to_string();
        assert_eq!(
            refused(&sized(CLIENT_DESCRIPTION_BYTES_MAX + 1)),
            "invalid params: clientInfo is larger than 16384 bytes"
        );
        for text in ["[]", "null", "\"x\"", "7"] {
            let words = refused(&raw(text.to_owned()));
            assert_eq!(words, "invalid params: clientInfo must be an object");
        }
        for text in ["{}", r#"{"name":7}"#] {
            let words = refused(&raw(text.to_owned()));
            assert_eq!(words, "invalid params: clientInfo needs name, a string");
        }
        assert!(capabilities("capabilities", &raw("{}".to_owned())).is_ok());
    }
}
