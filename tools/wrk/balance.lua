-- The balance call of one demo account, for wrk:
--   wrk -t1 -c100 -d5s -s tools/wrk/balance.lua http://127.0.0.1:9816/v1.0/balance
-- wrk sends the same bytes over and over and looks at nothing but the status. `Sequence` should be new on every
-- attempt; a server that keeps to the protocol never reads it, so the answers are the same.

wrk.method = "POST"
wrk.headers["Authorization"] = "Basic YWRtaW46YWRtaW4="
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"PlatformKey":"L100","Sequence":"0019a5c3e8f00-000001-000000000001",'
  .. '"Timestamp":"2026-01-01T00:00:00.000Z","OperatorAccountID":"default/player-000001","GameID":"11588"}'
