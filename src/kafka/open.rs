//! Makes clients, and sees that they can sign in.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, ClientContext,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};

use super::{ClientSettings, Error, LogContext};

/// How long the first token and the first answer of a broker may take together.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// One look at a client's events.
const GLANCE: Duration = Duration::from_millis(10);

/// A client that connects later; `name` is for the error.
pub fn client<C: ClientContext, T: FromClientConfigAndContext<C>>(
    name: &'static str,
    config: &ClientConfig,
    context: C,
) -> Result<T, Error> {
    let refused = |source: KafkaError| Error::Client { client: name, source };
    T::from_config_and_context(config, context).map_err(refused)
}

/// A consumer that has signed in, if tokens are needed for that. Blocks until then, at most ten
/// seconds.
pub fn consumer(
    settings: &ClientSettings,
    config: &ClientConfig,
) -> Result<BaseConsumer<LogContext>, Error> {
    let consumer: BaseConsumer<LogContext> = client("consumer", config, LogContext::new(settings))?;
    let signed_in = if settings.uses_tokens() { await_token(&consumer) } else { Ok(()) };
    match signed_in {
        Ok(()) => Ok(consumer),
        Err(error) => {
            // Closing it would wait for its request to an endpoint that may hang.
            std::mem::forget(consumer);
            Err(error)
        }
    }
}

/// Sees that clients with these settings get tokens, if they need some: an admin client cannot say
/// why it gets none, since rust-rdkafka 0.39 serves none of its events. Blocks for ten seconds at most.
pub fn sign_in(settings: &ClientSettings) -> Result<(), Error> {
    if settings.uses_tokens() {
        consumer(settings, &settings.consumer()?)?;
    }
    Ok(())
}

fn await_token(consumer: &BaseConsumer<LogContext>) -> Result<(), Error> {
    let login = &consumer.context().login;
    let end = Instant::now() + FIRST_ANSWER;
    while consumer.client().fetch_cluster_id(GLANCE).is_none() {
        // Serves what the client has to say.
        drop(consumer.poll(GLANCE));
        if let Some(failure) = login.failure() {
            return Err(failure.into());
        }
        if Instant::now() >= end {
            let seconds = FIRST_ANSWER.as_secs();
            let why = format!("it or the brokers do not answer within {seconds} s");
            return Err(login.error(why).into());
        }
    }
    Ok(())
}
