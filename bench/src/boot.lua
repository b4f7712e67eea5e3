-- wrk: each request asks for the script of one node, chosen at random.
-- Arguments: what stands before and after the MAC address in the path, and a file with the addresses,
-- one in a line.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  local before, after, path, size = args[1], args[2], args[3], 18
  math.randomseed(number * 7919 + os.time())
  local file = assert(io.open(path, "rb"))
  names = file:read("*a")
  file:close()
  width, count = size, math.floor(#names / size)
  -- wrk.format goes through all headers for each request, which costs more than the rest.
  head = "GET " .. before
  tail = after .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nUser-Agent: iPXE/1.0.0\r\n\r\n"
end

function request()
  local start = math.random(0, count - 1) * width
  return head .. names:sub(start + 1, start + width - 1) .. tail
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"p999":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
