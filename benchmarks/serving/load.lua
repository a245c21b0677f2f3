-- wrk script that sends one request and checks the answers:
--   wrk -s load.lua URL -- BODY_FILE EXPECTED MEAN_PAUSE_MS [HEADER VALUE]...
-- Every answer must be a 200 that matches the pattern EXPECTED. With a pause, each connection waits an exponentially
-- distributed time before its next request: with many connections this approximates Poisson arrivals at a fixed rate.
-- Prints one line of JSON with microseconds at the end.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(arguments)
   local file = assert(io.open(arguments[1], "rb"))
   local body = file:read("*a")
   file:close()
   expected, mean_pause = arguments[2], tonumber(arguments[3])
   for index = 4, #arguments, 2 do
      wrk.headers[arguments[index]] = arguments[index + 1]
   end
   message = wrk.format("POST", nil, nil, body)
   answered, wrong, example = 0, 0, ""
   if mean_pause > 0 then
      math.randomseed(1)
      delay = function()
         return math.floor(0.5 - mean_pause * math.log(1 - math.random()))
      end
   end
end

function request()
   return message
end

function response(status, headers, body)
   answered = answered + 1
   if status ~= 200 or not body:find(expected) then
      wrong = wrong + 1
      example = status .. " " .. body:sub(1, 200)
   end
end

function done(summary, latency, requests)
   local answered, wrong, example = 0, 0, ""
   for _, thread in ipairs(threads) do
      answered = answered + thread:get("answered")
      wrong = wrong + thread:get("wrong")
      example = thread:get("example")
   end
   if wrong > 0 then
      io.stderr:write("a wrong answer: ", example, "\n")
   end
   local errors = summary.errors
   io.write(string.format(
      '{"answered": %d, "wrong": %d, "errors": %d, "seconds": %f, "p50": %f, "p99": %f}\n',
      answered, wrong, errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6,
      latency:percentile(50), latency:percentile(99)
   ))
end
