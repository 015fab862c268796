use super::super::stats::{AnswerCheck, Sample};
use super::*;

const MS: u64 = 1_000_000;

const OK: AnswerCheck = AnswerCheck { status: 200, is_success: true, is_refusal: false };

#[track_caller]
fn check(text: &str, expect: &str) {
    for (number, (line, expect)) in text.lines().zip(expect.lines()).enumerate() {
        assert_eq!(line, expect, "line {}", number + 1);
    }
    assert_eq!(text, expect);
}

#[test]
fn headers() {
    let load = Load {
        scenario: Scenario::Seed,
        vus: 100,
        pipeline: 1,
        duration: Duration::from_secs(600),
        tails: false,
        pressure: Pressure::default(),
    };
    check(
        &header(&load, "http://127.0.0.1:9816"),
        "  execution: local
     script: seed
     target: http://127.0.0.1:9816
     output: -

  scenarios: (100.00%) 1 scenario, 100 max VUs, 10m30s max duration (incl. graceful stop):
           * default: 100 looping VUs for 10m0s (gracefulStop: 30s)

",
    );
}

#[test]
fn a_run_without_a_fault() {
    let mut stats = Stats::default();
    (stats.bytes_sent, stats.bytes_received) = (274_000, 336_000);
    for iteration in 0..10 {
        for kind in Scenario::Seed.kinds() {
            let waiting = (80 + iteration + kind as u64) * MS;
            let connecting = if iteration == 0 && kind == RequestType::Balance { 277_000 } else { 0 };
            let sample = Sample {
                group: connecting + waiting + 24_830,
                connecting,
                blocked: 0,
                sending: 24_830,
                waiting,
                receiving: 0,
                verdict: OK,
            };
            stats.record(kind, &sample);
        }
        stats.iteration.record((243 + iteration) * MS);
    }
    let load = Load {
        scenario: Scenario::Seed,
        vus: 2,
        pipeline: 1,
        duration: Duration::from_secs(1),
        tails: false,
        pressure: Pressure::default(),
    };
    check(&summary(&load, &stats, 1_250 * MS), SEED);
}

const SEED: &str = "\
running (0m01.2s), 000/002 VUs, 10 complete and 0 interrupted iterations
default ✓ 2 VUs  1s

     █ balance

       █ balance

         ✓ is status 200
         ✓ is body errorCode 0

     █ redeemToken

       █ redeemToken

         ✓ is status 200
         ✓ is body errorCode 0

     █ createToken

       █ createToken

         ✓ is status 200
         ✓ is body errorCode 0

   ✓ checks..........................: 100.00% ✓ 60     ✗ 0  
     data_received...................: 336 kB  269 kB/s
     data_sent.......................: 274 kB  219 kB/s
     group_duration..................: avg=85.53ms min=80.3ms  med=85.06ms  max=91.02ms p(90)=89.06ms p(95)=90.04ms
     http_req_blocked................: avg=9.23µs  min=0s      med=0s       max=277µs   p(90)=0s      p(95)=0s     
     http_req_connecting.............: avg=9.23µs  min=0s      med=0s       max=277µs   p(90)=0s      p(95)=0s     
     http_req_duration...............: avg=85.52ms min=80.02ms med=85.06ms  max=91.02ms p(90)=89.06ms p(95)=90.04ms
       { expected_response:true }....: avg=85.52ms min=80.02ms med=85.06ms  max=91.02ms p(90)=89.06ms p(95)=90.04ms
     ✓ { requestType:balance }.......: avg=84.52ms min=80.02ms med=84.08ms  max=89.02ms p(90)=88.08ms p(95)=89.02ms
     ✓ { requestType:createToken }...: avg=86.52ms min=82.02ms med=86.04ms  max=91.02ms p(90)=90.04ms p(95)=91.02ms
     ✓ { requestType:redeemToken }...: avg=85.52ms min=81.02ms med=85.06ms  max=90.02ms p(90)=89.06ms p(95)=90.02ms
   ✓ http_req_failed.................: 0.00%   ✓ 0      ✗ 30 
     http_req_receiving..............: avg=0s      min=0s      med=0s       max=0s      p(90)=0s      p(95)=0s     
     http_req_sending................: avg=24.83µs min=24.83µs med=24.83µs  max=24.83µs p(90)=24.83µs p(95)=24.83µs
     http_req_tls_handshaking........: avg=0s      min=0s      med=0s       max=0s      p(90)=0s      p(95)=0s     
     http_req_waiting................: avg=85.5ms  min=80ms    med=85ms     max=91ms    p(90)=89.06ms p(95)=90.04ms
     http_reqs.......................: 30      24/s
     ✓ { requestType:balance }.......: 10      8/s
     ✓ { requestType:createToken }...: 10      8/s
     ✓ { requestType:redeemToken }...: 10      8/s
     iteration_duration..............: avg=247.5ms min=243ms   med=247.07ms max=252ms   p(90)=251ms   p(95)=252ms  
     iterations......................: 10      8/s
     vus.............................: 2       min=2    max=2
     vus_max.........................: 2       min=2    max=2
";

#[test]
fn a_run_with_faults() {
    let mut stats = Stats::default();
    for request in 1..=6 {
        let verdict = match request {
            1 => AnswerCheck::default(),
            2 => AnswerCheck { status: 200, ..AnswerCheck::default() },
            _ => OK,
        };
        stats.record(RequestType::Balance, &Sample { group: MS, waiting: MS, verdict, ..Sample::default() });
        stats.iteration.record(MS);
    }
    stats.interrupted = 3;
    let load = Load {
        scenario: Scenario::Balance,
        vus: 100,
        pipeline: 1,
        duration: Duration::from_secs(30),
        tails: false,
        pressure: Pressure::default(),
    };
    check(&summary(&load, &stats, 12_000 * MS), FAULTS);
}

const FAULTS: &str = "\
running (0m12.0s), 000/100 VUs, 6 complete and 3 interrupted iterations
default ✗ 100 VUs  30s

     █ balance

       █ balance

         ✗ is status 200
          ↳  83% — ✓ 5 / ✗ 1
         ✗ is body errorCode 0
          ↳  66% — ✓ 4 / ✗ 2

   ✗ checks.........................: 75.00% ✓ 9     ✗ 3    
     data_received..................: 0 B    0 B/s
     data_sent......................: 0 B    0 B/s
     group_duration.................: avg=1ms min=1ms med=1ms max=1ms p(90)=1ms p(95)=1ms
     http_req_blocked...............: avg=0s  min=0s  med=0s  max=0s  p(90)=0s  p(95)=0s 
     http_req_connecting............: avg=0s  min=0s  med=0s  max=0s  p(90)=0s  p(95)=0s 
     http_req_duration..............: avg=1ms min=1ms med=1ms max=1ms p(90)=1ms p(95)=1ms
       { expected_response:true }...: avg=1ms min=1ms med=1ms max=1ms p(90)=1ms p(95)=1ms
     ✓ { requestType:balance }......: avg=1ms min=1ms med=1ms max=1ms p(90)=1ms p(95)=1ms
   ✗ http_req_failed................: 16.66% ✓ 1     ✗ 5    
     http_req_receiving.............: avg=0s  min=0s  med=0s  max=0s  p(90)=0s  p(95)=0s 
     http_req_sending...............: avg=0s  min=0s  med=0s  max=0s  p(90)=0s  p(95)=0s 
     http_req_tls_handshaking.......: avg=0s  min=0s  med=0s  max=0s  p(90)=0s  p(95)=0s 
     http_req_waiting...............: avg=1ms min=1ms med=1ms max=1ms p(90)=1ms p(95)=1ms
     http_reqs......................: 6      0.5/s
     ✓ { requestType:balance }......: 6      0.5/s
     iteration_duration.............: avg=1ms min=1ms med=1ms max=1ms p(90)=1ms p(95)=1ms
     iterations.....................: 6      0.5/s
     vus............................: 100    min=100 max=100
     vus_max........................: 100    min=100 max=100
";
