/* SPDX-License-Identifier: MIT */
/* Tokens made once with Python's PyJWT and cryptography; the RFC_ ones are of RFC 7515 appendix A.
 */
#ifndef CHAT_TESTS_JWT_VECTORS_H
#define CHAT_TESTS_JWT_VECTORS_H

/* clang-format off */

#define RFC_HS_KEY \
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjA" \
    "zZr1Z9CAow"

#define RFC_HS \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA" \
    "4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB9" \
    "2K27uhbUJU1p1r_wW1gFWFOEjXk"

#define RFC_RS_KEY \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAk" \
    "d/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZ" \
    "S+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT" \
    "6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW" \
    "yuXpoQIDAQAB"

#define RFC_RS \
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA" \
    "6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat" \
    "0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t" \
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07" \
    "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv" \
    "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77" \
    "Rw"

#define RFC_ES_KEY \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvR" \
    "VEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ=="

#define RFC_ES \
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA" \
    "6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Ga" \
    "wxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

#define HS_KEY \
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

#define RS_KEY \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxyuL/eieouk5ISLfJqrTkD40PmlC/FDB" \
    "xY1jkEHNewruwFhgV9zRbRkNkmeOwYbFkzf101V1KPEAdAAlC/eaVBw2odJChnsh+/9FH4/7dBjs" \
    "z7DpERRfIs0rR9ad3XSHb2E1lv8Z+gUaU43Ndmh82gWyvo3u496zywuOsmgH2Y6m+JOy8sw88nMW" \
    "9fbvmRTqQnHYb7BvOkV6Mrb1/0Uci27T0+3Mun9ATcY2ZgWlw1iu65dL3LLISIdlrSLIfAaKvzh8" \
    "qP9QBy0Pn/vtMhrqqBvy9O/W1I3XLFI/60LpDw4SwStdI7tNBLglHVrsxyIlUGZnfOt08yPI5CZT" \
    "IaEMWwIDAQAB"

#define ES_KEY \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8ZzeniewSEmSfMb++CwbiNFWdU2WbhtFu9d98MNM" \
    "USAOJEiOvckW3xN7His6LDJwqxoFOCzhguNlVPBrpWdXLw=="

#define ES_PEM \
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8ZzeniewSEmSf" \
    "Mb++CwbiNFWdU2W\nbhtFu9d98MNMUSAOJEiOvckW3xN7His6LDJwqxoFOCzhguNlVPBrpWdXLw==" \
    "\n-----END PUBLIC KEY-----\n"

#define RS_SMALL_KEY \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC4HyAG4VFN5WhdkGwAED5JAdnSkPiFhV3GplAo" \
    "7Ub74wORZTVoYqaru6jx+w6RmS2PS9BaobJnjWjJ6Yf8o40/vgOVEMZhTitS3JpkKCNw5DH2S43t" \
    "4/1cgP/oBxelb+0kxscul4I6lHW/vl/Ca+BaexVnanL7y91iZ5IqdtGoBQIDAQAB"

#define ES_384_KEY \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEU6scVZXv6D/wuENYVeBspfh6AzmpmfDv+uk+YUUWvMfY" \
    "dodzzTw9i+JJnhYReEni4NCjB9ulHHby/quYfJS29vYavT4a9iRUq6335j/lsjqg6BtIBmGzRKbw" \
    "24ctNzTF"

#define HS_GOOD \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDA" \
    "wMCwibmJmIjoxMDAwMDAwMDAwLCJpYXQiOjEwMDAwMDAwMDB9.gAXU7czMHkaVbBqeCxk37x5QDd" \
    "HN5i2ooKlboSY7EIQ"

#define RS_GOOD \
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDA" \
    "wMCwibmJmIjoxMDAwMDAwMDAwLCJpYXQiOjEwMDAwMDAwMDB9.nJrWtofZirUC25VcHTOipIpcaJ" \
    "ykp2nbtmEdY2PutNt7yiqJv7qQHJFnd9EOPeC0s4xyHyL6RzTPb5w8tnSgIZn8WrguFN0YycYoWb" \
    "lbHoKObPczcjyA3TIquXFGWtqjEjJuVecQpDa4EwNa488shb3YokHjCkTRz2TgUrTS_3ilAybvXC" \
    "f1nJN0n5K_2vVUQ_i6W4gvQz6me5-l7L5nQb2Pc3nR1BRf5_FRjFUCZ7t07vh3hrZ8eyj7oYnFtG" \
    "DLpK9gK7PWZ788p4pa5D9ftpJXyEj-ctcidvGR_wSYEhJSoOtERQB_6GX4_WW9DbKpiFxaCzvLRl" \
    "5Qy7iUGOeYfw"

#define ES_GOOD \
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDA" \
    "wMCwibmJmIjoxMDAwMDAwMDAwLCJpYXQiOjEwMDAwMDAwMDB9.e_zqrm4A2WU_3gco_SXj2BQ1We" \
    "TVrumEW_Y5WhiNjXYJdggASaQjYhhsXfl1HmZk6ANXsb1fd-1ool0DLKZNNw"

#define RS_CONFUSED \
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.D_gB--_-fAM4Id-WEMkBx3hFpwde5i-NOr" \
    "KMg1-u2e8"

#define ES_DER \
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.MEQCIEv8udyBWRuLUGe60aksnAjUXouxPG" \
    "IMc_-2MnkyB7zeAiBm_QKJmrMqJxFBuuhNUDYud-cgUWPSVNspIHnDmhbMZQ"

#define RS_PSS \
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.HW_ADt4LXhPS7vUcNVnGy2qpgAUrQdj7UF" \
    "RfiZQpkGg-yzFt30BYUlCqr4Ry_n4WqFsYAvbYcgB1MFnXhL_DhX5WgCBcQ2RrSb3yQQn0JULbGg" \
    "0dc1JkZrU09b8tQ5p4VszmdnZLYpmKiVPggyPSc9NIxNagGMEjFabft1Ij32HgSGWroJVn9uzrmi" \
    "x499ZD6ovN6eSC1Ov1LtkB91yEs3TJMH6DJykHekrv2LJdF5O9k5ZLMRyAsPsS_cuVxQdAtyXqqH" \
    "NvujvRkMTiUyXTVwp_7SmgUvGtuljHEwclOL5TxrWpuMGCdwq7BiXBvzsV_OdQXGyyVhrQX4QsoK" \
    "Dz4w"

#define ALG_NONE \
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."

/* rule, token made with HS_KEY, status, a word of the reason; the time is 1500000000. */
#define CLAIM_ROWS(X) \
    X("no exp", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8gQ", \
      CHAT_OK, "valid") \
    X("white space in the JSON", \
      "eyAiYWxnIiA6DQoiSFMyNTYiIH0.eyAic3ViIjoiYWxpY2UiIH0.DUek3u68KQfGJosyPeSNs6rn" \
      "uR09yiE7M93ju7SRzGU", \
      CHAT_OK, "valid") \
    X("fraction of a second", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTUwMDAwMDAwMC4yNX0.tquE1iM" \
      "fHJj9wm_HQgRZJ7YwbUFm0jO73VkKIG8slzM", \
      CHAT_OK, "valid") \
    X("exp a moment ago, in the leeway", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTQ5OTk5OTk5OH0.FYCE2kgj3Ec" \
      "kvSbyRJZqoxEB_rnijz6UqISSeB-B3_c", \
      CHAT_OK, "valid") \
    X("exp just past the leeway", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTQ5OTk5OTk5NX0.Z22UG14Wud3" \
      "8MijHQFZuWNL-x_XU2_4LyMwtuEnudxk", \
      CHAT_ERR_EXPIRED, "expired") \
    X("expired", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTAwMDAwMDAwMH0.64OrUM9bC-g" \
      "RiN1g6--WdL5D520AEc2DFAOVGSLvTZo", \
      CHAT_ERR_EXPIRED, "expired") \
    X("not yet valid", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsIm5iZiI6MTYwMDAwMDAwMH0.j9_6eY_I7io" \
      "L8SMHwYSmZcdYzp0SDHo6Sa1VewUk8yk", \
      CHAT_ERR_AUTH, "not yet") \
    X("nbf in the leeway", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsIm5iZiI6MTUwMDAwMDAwNH0.SlVZMpO5suw" \
      "yX8SNkR6Jsay6vIpZnlKLMMmasa0Qqk8", \
      CHAT_OK, "valid") \
    X("exp is text", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6IjIwMDAwMDAwMDAifQ.XOj46ik7" \
      "Cg4ahmpVcZJ2w_ol3RR8kBrXGnnQXsOJW_g", \
      CHAT_ERR_AUTH, "date") \
    X("exp is null", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6bnVsbH0.BZqvWwshPWYXKdIXfnU" \
      "l3A7xJHcqbqW81sg41XgD7No", \
      CHAT_ERR_AUTH, "date") \
    X("exp is negative", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6LTF9.fcHDlRRpfjfxUV_0QkK5IH" \
      "pThpz24CkGedaqHC3aJUk", \
      CHAT_ERR_AUTH, "date") \
    X("exp is huge", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MWUzMDB9.FzQtgvWU2RdpLKoHDx" \
      "T0iEizyq_Or92n-fkI-jHmd8k", \
      CHAT_ERR_AUTH, "date") \
    X("nbf is text", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsIm5iZiI6IjEifQ.t4ApyZfd-DH_ShOfEngC" \
      "BZbTuW8Q8uxLUAcvU5ygOWI", \
      CHAT_ERR_AUTH, "date") \
    X("iat is a list", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6WzFdfQ.cGaiI5j8fzTUxG93zanm" \
      "fS2p-P3gUmGQC5YhclAPejI", \
      CHAT_ERR_AUTH, "date") \
    X("no sub", \
      "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjIwMDAwMDAwMDB9.HZqu0zoMNB2N5ubTegxW35DmNVYa4M" \
      "n5x0eGt2rED2s", \
      CHAT_ERR_AUTH, "no user") \
    X("sub is a number", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjd9.8C4XqsNnpsCAlxLr8PQcTeVGwfjwfVykUtkimXWIvH" \
      "U", \
      CHAT_ERR_AUTH, "no valid id") \
    X("sub is empty", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIifQ.xi2RUwRZR5ScJGeiCZb5MEBSyRLzzuNTNUOSrEI2" \
      "BLk", \
      CHAT_ERR_AUTH, "no valid id") \
    X("sub of 64 bytes", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWF" \
      "hYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhIn0.xAVg4KV5uRhGWn6gvh6lbkw7dO0548P" \
      "v85u0zCnu5_A", \
      CHAT_OK, "valid") \
    X("sub of 65 bytes", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWF" \
      "hYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYSJ9.mNc0FkMXLAZwsbVzx19DCf5VQhucfK" \
      "8P6BnvOllmp9s", \
      CHAT_ERR_AUTH, "no valid id") \
    X("sub with a control character", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhXHUwMDAxIn0.sUsCNLDmve1BDqttHZP_IGkN9jNzY_g" \
      "VzRYR6EqbhXQ", \
      CHAT_ERR_AUTH, "no valid id") \
    X("sub with a zero", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZVx1MDAwMHgifQ.Lo9bo1XcQgfvnqmef4iXOBCc" \
      "6LEPrPvXZhomWz8WF7c", \
      CHAT_ERR_AUTH, "malformed") \
    X("sub twice", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsInN1YiI6ImJvYiJ9.Y_MHWjvGCgkEsSCb5G" \
      "bXz5iyu82ihCLj1bUBN7H1OTw", \
      CHAT_ERR_AUTH, "malformed") \
    X("sub twice, once escaped", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsInNcdTAwNzViIjoiYm9iIn0.xqXAS5sLI4p" \
      "yI_-xpcYI1FfgRLlGjQ1AoCHT647rxCw", \
      CHAT_ERR_AUTH, "malformed") \
    X("exp twice", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MSwiZXhwIjoyMDAwMDAwMDAwfQ." \
      "xnI87U1XjkaTEnsdZss5WQ0NSNpIn8TscqA7unuLGKc", \
      CHAT_ERR_AUTH, "malformed") \
    X("payload is a list", \
      "eyJhbGciOiJIUzI1NiJ9.WyJzdWIiXQ.qcII-JEbjMSwV1GT-gpNQ-SicSTyIvcMKrE3c36czr0", \
      CHAT_ERR_AUTH, "malformed") \
    X("payload is empty", \
      "eyJhbGciOiJIUzI1NiJ9..TRtun0q7kd1S_YIlAO0C2-RKTHswJ1vYKghfV_hyIRc", \
      CHAT_ERR_AUTH, "malformed") \
    X("payload is not UTF-8", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiL_In0.QuGfl6ZjWkiPbEmf0v26alfuEOPLkf_51F1D1QQ" \
      "WQZI", \
      CHAT_ERR_AUTH, "malformed") \
    X("something behind the payload", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9eA.GV-lcKUKRJeJvLpg1h32GLvhaKsdJOiF" \
      "3Jxj1vBExGQ", \
      CHAT_ERR_AUTH, "malformed") \
    X("crit", \
      "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.eyJzdWIiOiJhbGljZSJ9.tY3Q0mSd3JdMNC" \
      "4qiicob0ERexukE7iBBGbDViVMi5I", \
      CHAT_ERR_AUTH, "crit") \
    X("crit of b64", \
      "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.eyJzdWIiOiJhbGljZSJ" \
      "9.PjoMahl6o4vKaGPASNsgqpbn5XVu6meYWhRkRmlqSuM", \
      CHAT_ERR_AUTH, "crit") \
    X("alg twice", \
      "eyJhbGciOiJub25lIiwiYWxnIjoiSFMyNTYifQ.eyJzdWIiOiJhbGljZSJ9.y4mrK0lngflPeT1W" \
      "JcL_wJyUUH0iEvQSaC6lDDAAqNc", \
      CHAT_ERR_AUTH, "malformed") \
    X("alg in small letters", \
      "eyJhbGciOiJoczI1NiJ9.eyJzdWIiOiJhbGljZSJ9.7EypH6HPINT-Gb8RAOt5OCpZFdYS7AV4Dr" \
      "JGJSsGPiA", \
      CHAT_ERR_AUTH, "wrong algorithm") \
    X("alg of another key", \
      "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.4fuH0Au55RNh6ENJLw1PJ-K0g-zewpVH0K" \
      "CDe69cgcY", \
      CHAT_ERR_AUTH, "wrong algorithm") \
    X("HS512", \
      "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhbGljZSJ9.53185_qX7qetjhf9UhrLpKAN-wEnIeIpPT" \
      "zNkVmJoOo", \
      CHAT_ERR_AUTH, "wrong algorithm") \
    X("alg is a list", \
      "eyJhbGciOlsiSFMyNTYiXX0.eyJzdWIiOiJhbGljZSJ9.ehEfTWggM6luGdvE-macWa_c29VZQ18" \
      "U-C35pzOLYYQ", \
      CHAT_ERR_AUTH, "malformed") \
    X("no alg", \
      "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbGljZSJ9.85nlJeOtdhm_Cqeo_XYUu4c_ZhggTPREPAFL" \
      "aCzHZQg", \
      CHAT_ERR_AUTH, "malformed") \
    X("header is text", \
      "IkhTMjU2Ig.eyJzdWIiOiJhbGljZSJ9.14fyEFMlW8S6sRW-KZ0wvrDkFZJkInUm8Te3HkbjUH0", \
      CHAT_ERR_AUTH, "malformed") \
    X("other members of the header", \
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEiLCJqa3UiOiJodHRwOi8veC8ifQ.e" \
      "yJzdWIiOiJhbGljZSJ9.Ua3mDZ6KdXehV8qVP1GfaE-5wGkDZESFqEvxrXzXc_M", \
      CHAT_OK, "valid")

/* rule, token, a word of the reason. */
#define MALFORMED_ROWS(X) \
    X("padding", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8gQ=", "malformed") \
    X("white space", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8gQ ", "malformed") \
    X("line feed in it", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.\n1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYd" \
      "wLb9Q6B8gQ", "malformed") \
    X("spare bits", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8gR", "malformed") \
    X("two parts", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9", "malformed") \
    X("four parts", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8gQ.x", "malformed") \
    X("five parts", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8gQ.x.y", "malformed") \
    X("dots alone", \
      "..", "malformed") \
    X("no signature", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.", "wrong signature") \
    X("short signature", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B", "wrong signature") \
    X("other payload", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdwLb" \
      "9Q6B8gQ", "wrong signature") \
    X("not base64url", \
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.1LyJX3n8HF4PKpKt6cAnOsvYK1JymjhYdw" \
      "Lb9Q6B8+/", "malformed") \
    X("empty", \
      "", "missing") \
    X("word", \
      "token", "malformed")

#endif
