//! What only RabbitMQ has.
