-- wrk: one request, made once; a line of JSON at the end. Arguments after `--`: method, path, bytes of the body.
function init(arguments)
  wrk.method, wrk.path = arguments[1], arguments[2]
  wrk.headers["Authorization"] = "Basic ZWxhc3RpYzpjaGFuZ2VtZQ=="
  local size = tonumber(arguments[3])
  if size > 0 then
    wrk.headers["Content-Type"] = "application/json"
    -- Text that does not compress to nothing, the same in every run.
    math.randomseed(7)
    local parts, length = { '{"text":"' }, 9 + 2
    while length < size do
      parts[#parts + 1] = string.char(97 + math.random(0, 25))
      length = length + 1
    end
    wrk.body = table.concat(parts) .. '"}'
  end
  made = wrk.format()
end

function request()
  return made
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
