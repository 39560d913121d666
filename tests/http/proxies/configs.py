"""How the four are started: alone, answering everything themselves, and as proxies that pass on as much
as they can be made to (an attacker's best case): streamed bodies, raw targets, odd header names, kept
connections."""
from dataclasses import dataclass


@dataclass
class Kind:
    argv: list
    alone: str
    front: str


NGINX = """
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error crit; user root;
events {{ worker_connections 1000; }}
http {{ access_log off; ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
  uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
"""
HAPROXY = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
  option http-keep-alive
"""
APACHE = """
ServerRoot /usr/lib/apache2
ServerName localhost
PidFile {dir}/pid
Listen 127.0.0.1:{port}
ErrorLog {dir}/error
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule alias_module modules/mod_alias.so
LoadModule headers_module modules/mod_headers.so
LoadModule unique_id_module modules/mod_unique_id.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
AllowEncodedSlashes NoDecode
"""
LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{dir}/error"
server.document-root = "{dir}"
server.pid-file = "{dir}/pid"
index-file.names = ( "index.html" )
mimetype.assign = ( "" => "text/plain" )
"""

PROXIES = {
    "nginx": Kind(
        ["nginx", "-e", "{dir}/error", "-c", "{conf}"],
        NGINX + """server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello\\n"; }} }} }}""",
        NGINX + """
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 4; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1;
    proxy_request_buffering off; proxy_buffering off; proxy_set_header Connection "";
    proxy_set_header Host $http_host; proxy_set_header X-Via nginx-$request_id; }} }} }}
""",
    ),
    "haproxy": Kind(
        ["haproxy", "-db", "-f", "{conf}"],
        HAPROXY + """
frontend f
  bind 127.0.0.1:{port}
  option http-buffer-request
  http-request return status 200 content-type text/plain string hello
""",
        HAPROXY + """
frontend f
  bind 127.0.0.1:{port}
  unique-id-format haproxy-%[uuid()]
  http-request set-header X-Via %[unique-id]
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{upstream}
""",
    ),
    "apache2": Kind(
        ["apache2", "-D", "FOREGROUND", "-f", "{conf}"],
        APACHE + """
AliasMatch "^" "{dir}/index.html"
<Directory "{dir}">
  Require all granted
</Directory>
""",
        APACHE + """
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:{upstream}/ nocanon enablereuse=on
RequestHeader set X-Via "expr=apache2-%{{env:UNIQUE_ID}}"
""",
    ),
    "lighttpd": Kind(
        ["lighttpd", "-D", "-f", "{conf}"],
        LIGHTTPD + """
server.modules = ( "mod_rewrite" )
url.rewrite-once = ( "" => "/index.html" )
""",
        LIGHTTPD + """
server.modules = ( "mod_setenv", "mod_proxy" )
server.stream-request-body = 1
server.stream-response-body = 1
server.http-parseopts = ( "url-normalize" => "disable" )
setenv.set-request-header = ( "X-Via" => "lighttpd" )
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => {upstream} )) )
""",
    ),
}
