-- Requests for racks whose streams another region process holds. Whoever asks makes the row, and ends it with the answer or at the deadline.
CREATE TABLE rack_requests (
    id BYTEA PRIMARY KEY NOT NULL,
    rack BYTEA NOT NULL,
    -- Of this stream and no later one.
    session BYTEA NOT NULL,
    request BYTEA NOT NULL,
    -- By the clock of the database: those of two regions differ.
    deadline BIGINT NOT NULL,
    -- asked, taken, then answered, unreachable or unknown
    state TEXT NOT NULL,
    answer BYTEA NOT NULL
);
