-- Accounts, sessions, rounds and transactions, and the rules of the calls that lock an account.
--
-- A call is one statement, so one round trip and one commit. What changes an account is a function that locks the
-- account's row first: its further statements see what whoever held the lock before has committed.

-- A half of each page stays free, so that a balance changes within its page and no index is touched.
CREATE TABLE accounts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    country text NOT NULL,
    cash bigint NOT NULL CHECK (cash >= 0),
    version bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE sessions (
    key text PRIMARY KEY,
    account integer NOT NULL REFERENCES accounts,
    number bigint GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX ON sessions (account, number);

-- The protocol lets a restart forget tokens, so that they need no log.
CREATE UNLOGGED TABLE tokens (
    token text PRIMARY KEY,
    account integer NOT NULL,
    session text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- state: 0 unopened (it holds cancelled bets alone), 1 open, 2 closed.
CREATE TABLE rounds (
    account integer NOT NULL,
    id text NOT NULL,
    state smallint NOT NULL,
    staked bigint NOT NULL,
    returned bigint NOT NULL,
    PRIMARY KEY (account, id),
    CHECK (returned <= staked)
) WITH (fillfactor = 80);

-- kind: 0 bet, 1 win, 2 rollback, 3 void. A bet that was cancelled before it came has no amount.
CREATE TABLE transactions (
    account integer NOT NULL,
    round text NOT NULL,
    kind smallint NOT NULL,
    id text NOT NULL,
    original text,
    amount bigint,
    taken_back boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, round, kind, id)
);

CREATE TABLE credits (
    account integer NOT NULL,
    id text NOT NULL,
    amount bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, id)
);

CREATE TABLE alerts (
    account integer NOT NULL,
    action text NOT NULL,
    details text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON alerts (account);

-- placebet, awardwinnings, rollbackbet, voidbet. Without out_cash nothing is told of the account.
CREATE FUNCTION play(
    p_kind smallint, p_account text, p_session text, p_round text, p_id text, p_original text, p_amount bigint,
    p_starts boolean, p_ends boolean, p_in_currency boolean, p_has_game boolean,
    OUT out_code integer, OUT out_cash bigint, OUT out_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    a accounts;
    r rounds;
    t transactions;
    moves bigint := p_amount;
BEGIN
    SELECT * INTO a FROM accounts WHERE name = p_account FOR UPDATE;
    IF NOT FOUND THEN
        -- A session is looked for first, and an account that is not there has none.
        out_code := CASE WHEN p_kind = 0 THEN -3 ELSE -5 END;
        RETURN;
    END IF;
    out_cash := a.cash;
    out_version := a.version;

    SELECT * INTO r FROM rounds WHERE account = a.id AND id = p_round;
    IF FOUND THEN
        SELECT * INTO t FROM transactions
        WHERE account = a.id AND round = p_round AND kind = p_kind AND id = p_id;
        IF FOUND THEN
            out_code := CASE
                WHEN t.amount = p_amount AND t.original IS NOT DISTINCT FROM p_original
                    AND p_in_currency AND NOT t.taken_back THEN 0
                ELSE -7
            END;
            RETURN;
        END IF;
    END IF;

    IF p_kind = 0 AND NOT EXISTS (SELECT FROM sessions WHERE key = p_session AND account = a.id) THEN
        out_code := -3;
    ELSIF p_kind = 1 AND p_session IS NOT NULL
        AND EXISTS (SELECT FROM sessions WHERE key = p_session AND account <> a.id) THEN
        out_code := -5;
    END IF;
    IF out_code IS NOT NULL THEN
        out_cash := NULL;
        out_version := NULL;
        RETURN;
    END IF;

    IF NOT p_in_currency THEN
        out_code := -9;
        RETURN;
    ELSIF NOT p_has_game THEN
        out_code := -15;
        RETURN;
    ELSIF p_kind <> 0 AND a.cash > 9223372036854775807 - p_amount THEN
        out_code := -7;
        RETURN;
    END IF;

    IF p_kind = 0 THEN
        moves := -p_amount;
        out_code := CASE
            WHEN COALESCE(r.state, 0) = 0 AND NOT p_starts THEN -14
            WHEN r.state = 2 AND p_starts THEN -7
            WHEN a.cash < p_amount THEN -2
            ELSE 0
        END;
    ELSIF p_kind = 1 THEN
        out_code := 0;
    ELSIF p_kind = 2 THEN
        SELECT * INTO t FROM transactions
        WHERE account = a.id AND round = p_round AND kind = 0 AND id = p_original;
        IF t.amount IS NULL THEN
            INSERT INTO rounds VALUES (a.id, p_round, 0, 0, 0) ON CONFLICT DO NOTHING;
            INSERT INTO transactions (account, round, kind, id) VALUES (a.id, p_round, 0, p_original)
            ON CONFLICT DO NOTHING;
            out_code := -8;
            RETURN;
        END IF;
        moves := CASE WHEN t.taken_back THEN 0 ELSE p_amount END;
        out_code := CASE WHEN t.amount <> p_amount OR r.returned + moves > r.staked THEN -7 ELSE 0 END;
    ELSE
        out_code := CASE
            WHEN COALESCE(r.state, 0) = 0 THEN -14
            WHEN r.returned + p_amount > r.staked THEN -7
            ELSE 0
        END;
    END IF;
    IF out_code <> 0 THEN
        RETURN;
    END IF;

    IF r.id IS NULL THEN
        INSERT INTO rounds VALUES (
            a.id, p_round, CASE WHEN p_ends THEN 2 ELSE 1 END, CASE WHEN p_kind = 0 THEN p_amount ELSE 0 END, 0
        );
    ELSIF p_kind <> 1 OR p_ends OR r.state = 0 THEN
        UPDATE rounds SET
            state = CASE WHEN p_ends THEN 2 WHEN state = 0 THEN 1 ELSE state END,
            staked = staked + CASE WHEN p_kind = 0 THEN p_amount ELSE 0 END,
            returned = returned + CASE WHEN p_kind >= 2 THEN moves ELSE 0 END
        WHERE account = a.id AND id = p_round;
    END IF;
    IF p_kind = 2 AND NOT t.taken_back THEN
        UPDATE transactions SET taken_back = true
        WHERE account = a.id AND round = p_round AND kind = 0 AND id = p_original;
    END IF;
    INSERT INTO transactions (account, round, kind, id, original, amount)
    VALUES (a.id, p_round, p_kind, p_id, p_original, p_amount);
    IF moves <> 0 THEN
        UPDATE accounts SET cash = cash + moves, version = version + 1 WHERE id = a.id
        RETURNING cash, version INTO out_cash, out_version;
    END IF;
END;
$$;

CREATE FUNCTION end_round(
    p_account text, p_round text, p_in_currency boolean, p_has_game boolean,
    OUT out_code integer, OUT out_cash bigint, OUT out_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    a accounts;
    found_state smallint;
BEGIN
    SELECT * INTO a FROM accounts WHERE name = p_account FOR UPDATE;
    IF NOT FOUND THEN
        out_code := -5;
        RETURN;
    END IF;
    out_cash := a.cash;
    out_version := a.version;
    IF NOT p_in_currency THEN
        out_code := -9;
        RETURN;
    ELSIF NOT p_has_game THEN
        out_code := -15;
        RETURN;
    END IF;
    SELECT state INTO found_state FROM rounds WHERE account = a.id AND id = p_round;
    out_code := CASE WHEN COALESCE(found_state, 0) = 0 THEN -14 ELSE 0 END;
    IF found_state = 1 THEN
        UPDATE rounds SET state = 2 WHERE account = a.id AND id = p_round;
    END IF;
END;
$$;

CREATE FUNCTION credit(
    p_account text, p_id text, p_amount bigint, p_in_currency boolean,
    OUT out_code integer, OUT out_cash bigint, OUT out_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    a accounts;
    known bigint;
BEGIN
    SELECT * INTO a FROM accounts WHERE name = p_account FOR UPDATE;
    IF NOT FOUND THEN
        out_code := -5;
        RETURN;
    END IF;
    out_cash := a.cash;
    out_version := a.version;
    SELECT amount INTO known FROM credits WHERE account = a.id AND id = p_id;
    IF FOUND THEN
        out_code := CASE WHEN known = p_amount AND p_in_currency THEN 0 ELSE -7 END;
        RETURN;
    ELSIF NOT p_in_currency THEN
        out_code := -9;
        RETURN;
    ELSIF a.cash > 9223372036854775807 - p_amount THEN
        out_code := -7;
        RETURN;
    END IF;
    out_code := 0;
    INSERT INTO credits (account, id, amount) VALUES (a.id, p_id, p_amount);
    IF p_amount <> 0 THEN
        UPDATE accounts SET cash = cash + p_amount, version = version + 1 WHERE id = a.id
        RETURNING cash, version INTO out_cash, out_version;
    END IF;
END;
$$;
