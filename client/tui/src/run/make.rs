//! A conversation is made.

use parlour_sdk::protocol::ConversationId;
use parlour_sdk::{Client, Error, Request, draft};

use super::beside::About;

/// Makes a conversation, and then sets what is to be other than usual. What was made is there even
/// if a setting is not taken: then it is said why.
pub(super) async fn make(
    client: &Client,
    request: Request,
    settings: Vec<(&'static str, &'static str)>,
) -> Result<(ConversationId, Option<String>), (Error, String)> {
    let about = About::of(&request);
    let made = client.request(request).await;
    let conversation = match made {
        Ok(accepted) => accepted.conversation,
        Err(error) => {
            let why = about.not_taken(&error);
            return Err((error, why));
        }
    };
    for (key, value) in settings {
        let frame = draft::setting(conversation, key, value);
        if let Err(error) = client.request(Request::Send(Box::new(frame))).await {
            let why = made_in_part(&error);
            return Ok((conversation, Some(why)));
        }
    }
    Ok((conversation, None))
}

/// What went wrong with something that was made all the same: what can be done comes first.
pub(crate) fn made_in_part(error: &impl std::fmt::Display) -> String {
    format!("It was made. Set the rest on its page, Ctrl+G: not all settings were taken: {error}.")
}
