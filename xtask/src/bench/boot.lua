-- wrk: each request asks for the script of one node, chosen at random.
-- Arguments: what stands before the address in the path, the separator inside the address, and
-- the number of nodes. The addresses are those that the benchmark gave to its nodes.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  local before, separator, count = args[1], args[2], tonumber(args[3])
  math.randomseed(number)
  wrk.headers["User-Agent"] = "iPXE/1.0.0"
  requests = {}
  for index = 0, count - 1 do
    local parts = { "02", "00", "00" }
    for _, unit in ipairs({ 65536, 256, 1 }) do
      parts[#parts + 1] = string.format("%02x", math.floor(index / unit) % 256)
    end
    requests[index + 1] = wrk.format("GET", before .. table.concat(parts, separator))
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
