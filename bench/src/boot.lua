-- wrk: each request asks for the script of one node, chosen at random.
-- Arguments: what stands before and after the node's name in the path, and a file with the names, one in
-- a line. All are equally long.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  local before, after, path = args[1], args[2], args[3]
  math.randomseed(number * 7919 + os.time())
  local file = assert(io.open(path, "rb"))
  names = file:read("*a")
  file:close()
  width = names:find("\n")
  count = math.floor(#names / width)
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
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    'RESULT {"requests":%d,"bytes":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"p999_ms":%f,"failed":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, failed))
end
