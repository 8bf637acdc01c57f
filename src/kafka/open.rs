//! Makes clients that can sign in, or says why not: every client of the program begins here.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, ClientContext,
    admin::AdminClient,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    producer::{ProducerContext, ThreadedProducer},
};

use super::{ClientSettings, Error, login::SignsIn};

/// The token is there before the client is; it only has to ask.
const ASKING: Duration = Duration::from_secs(1);
/// One look at a client's events.
const GLANCE: Duration = Duration::from_millis(10);

/// A consumer that has its token. Blocks while the first token of this process is fetched.
pub fn consumer<C: ConsumerContext + SignsIn>(
    settings: &ClientSettings,
    config: &ClientConfig,
    context: C,
) -> Result<BaseConsumer<C>, Error> {
    let consumer: BaseConsumer<C> = client("consumer", settings, config, context)?;
    // It asks only when it is polled, and what is asked of it before would time out.
    let end = Instant::now() + ASKING;
    while consumer.context().login().is_awaited() && Instant::now() < end {
        drop(consumer.poll(GLANCE));
    }
    Ok(consumer)
}

/// A producer, whose own thread asks for its token. Blocks as [`consumer`] does.
pub fn producer<C: ProducerContext + 'static>(
    settings: &ClientSettings,
    config: &ClientConfig,
    context: C,
) -> Result<ThreadedProducer<C>, Error> {
    client("producer", settings, config, context)
}

/// An admin client. Blocks as [`consumer`] does.
pub fn admin<C: ClientContext>(
    settings: &ClientSettings,
    config: &ClientConfig,
    context: C,
) -> Result<AdminClient<C>, Error> {
    let client = client("admin client", settings, config, context)?;
    // Nothing in rust-rdkafka 0.39 serves the question for a token that an admin client asks.
    if settings.tokens.is_some() { Err(Error::AdminLogin) } else { Ok(client) }
}

fn client<C: ClientContext, T: FromClientConfigAndContext<C>>(
    name: &'static str,
    settings: &ClientSettings,
    config: &ClientConfig,
    context: C,
) -> Result<T, Error> {
    if let Some(source) = &settings.tokens {
        source.token()?;
    }
    let refused = |source: KafkaError| Error::Client { client: name, source };
    T::from_config_and_context(config, context).map_err(refused)
}
