-- Browser-like page views for wrk: 500 paths, 250 addresses, a handful of agents; every request differs.
local agents = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
}
local screens = { "1920x1080", "1440x900", "390x844", "412x915", "2560x1440" }
local website
local counter = 0

function init(args)
  website = args[1]
  math.randomseed(7)
end

function request()
  counter = counter + 1
  local who = math.random(250)
  local path = math.random(500)
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["User-Agent"] = agents[who % #agents + 1]
  wrk.headers["X-Forwarded-For"] = "81.2." .. (who % 200) .. "." .. (who % 250 + 1)
  local body = '{"type":"event","payload":{"website":"' .. website .. '","hostname":"example.com","screen":"'
    .. screens[who % #screens + 1] .. '","language":"en-US","title":"Page ' .. path .. '","url":"/page/' .. path
    .. '?n=' .. counter .. '","referrer":"https://www.google.com/"}}'
  return wrk.format("POST", nil, nil, body)
end

function done(summary, latency, requests)
  io.write(string.format(
    'JSON {"requests":%d,"seconds":%.3f,"non_2xx":%d,"socket_errors":%d,"p50_ms":%.2f,"p99_ms":%.2f,"max_ms":%.2f}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
