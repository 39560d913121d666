-- Sends `depth` requests in one write (wrk ... -s pipeline.lua http://host/path -- depth).
local batch

function init(args)
   local depth = tonumber(args[1]) or 16
   local one = wrk.format()
   batch = string.rep(one, depth)
end

function request()
   return batch
end
