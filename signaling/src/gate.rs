//! Who may join: everybody, who brings a token, or whom another service lets in.

use std::pin::Pin;

use peerloom_protocol::signal::{Join, Refusal};

use crate::config::Config;
use crate::hub::Refused;
use crate::keys::TokenKeys;
use crate::token::{Denied, Grant};
use crate::webhook::unavailable;

/// An answer that is still to come. Dropped, nobody waits for it any more.
pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Grant, Refused>> + Send>>;

/// What a join may, or how to find out.
pub(crate) enum Decision {
    Now(Result<Grant, Refused>),
    Later(Later),
}

/// Decides about a join.
pub(crate) fn decide(config: &Config, join: &Join) -> Decision {
    if let Some(hook) = &config.admission_hook {
        return Decision::Later(Box::pin(hook.ask(join)));
    }
    let Some(keys) = &config.token_keys else { return Decision::Now(Ok(Grant::everything())) };
    match keys.check(join.token.as_deref(), &join.room, &join.key) {
        Err(denied) if (keys.is_empty() || denied.unknown_key) && keys.can_fetch() => {
            Decision::Later(Box::pin(check_again(keys.clone(), join.clone())))
        }
        checked => Decision::Now(checked.map_err(|denied| explain(keys, denied))),
    }
}

/// Checks a token by the keys as they are now.
async fn check_again(keys: TokenKeys, join: Join) -> Result<Grant, Refused> {
    keys.fetch().await;
    let checked = keys.check(join.token.as_deref(), &join.room, &join.key);
    checked.map_err(|denied| explain(&keys, denied))
}

/// Without keys no token is known to be wrong.
fn explain(keys: &TokenKeys, denied: Denied) -> Refused {
    let (refusal, _) = denied.refused;
    if keys.is_empty() && refusal == Refusal::Unauthorized { unavailable() } else { denied.refused }
}
