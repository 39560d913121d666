-- load.lua - requests with ids that differ, made before the run so that wrk spends nothing on them.
--     wrk -s load.lua URL -- PREFIX      PREFIX "/world/", or "mix"
local requests, at = {}, 0
local headers = { ["Accept"] = "*/*", ["Connection"] = "keep-alive" }
local json = { ["Accept"] = "*/*", ["Connection"] = "keep-alive", ["Content-Type"] = "application/json" }

-- The mix: of 20 requests 4 ask for a list, 13 for one item, 3 change one.
local function mixed(i, id)
  local kind = i % 20
  if kind < 4 then return wrk.format("GET", "/items/" .. id % 100 + 1, headers) end
  if kind < 17 then return wrk.format("GET", "/item/" .. id, headers) end
  return wrk.format("PUT", "/item/" .. id, json, string.format('{"price":%d,"stock":%d}', id, i % 50))
end

function init(args)
  local id = 1
  for i = 1, 4000 do
    id = (id * 21 + 6) % 10000 + 1
    if args[1] == "mix" then
      requests[i] = mixed(i, id)
    elseif args[1]:sub(-1) == "/" then
      requests[i] = wrk.format("GET", args[1] .. id, headers)
    else
      requests[i] = wrk.format("GET", args[1], headers)
    end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
