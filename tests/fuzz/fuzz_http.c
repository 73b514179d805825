/* SPDX-License-Identifier: MIT */
/* Heads of requests and responses; what is found must lie inside the input. */
#include "fuzz.h"
#include "net/http.h"

#include <string.h>

static void check_inside(const uint8_t *data, size_t size, chat_view view)
{
    FUZZ_CHECK(view.len == 0 || (view.data >= data && view.data + view.len <= data + size));
}

static void check_request(const uint8_t *data, size_t size)
{
    chat__http_request request, again;
    chat__buf out;
    size_t len = 0, len_again = 0;
    chat_status status = chat__http_parse_request((chat_view){data, size}, 1, &request, &len);
    if (status != CHAT_OK) {
        FUZZ_CHECK(status == CHAT_MORE || (request.error_status >= 400 && request.error_text));
        return;
    }
    FUZZ_CHECK(len <= size && len <= CHAT__HTTP_MAX_HEAD_BYTES);
    check_inside(data, len, request.method);
    check_inside(data, len, request.path);
    check_inside(data, len, request.query);
    check_inside(data, len, request.token);
    FUZZ_CHECK(chat__http_parse_request((chat_view){data, len}, 1, &again, &len_again) == CHAT_OK);
    FUZZ_CHECK(len == len_again && request.is_upgrade == again.is_upgrade);
    FUZZ_CHECK(chat__http_parse_request((chat_view){data, len - 1}, 1, &again, &len_again) !=
               CHAT_OK);
    chat__buf_init(&out, NULL, 4096);
    if (request.is_upgrade)
        FUZZ_CHECK(chat__http_write_switch(&request, 1, &out) == CHAT_OK);
    chat__buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const chat__http_upgrade upgrade = {.host_header = "a",
                                               .path = "/",
                                               .encoding = CHAT_ENCODING_CBOR,
                                               .offer_deflate = 1,
                                               .key = "the sample nonc"
                                                      "e"};
    chat__http_response response;
    size_t len = 0;
    check_request(data, size);
    chat_status status =
        chat__http_parse_response((chat_view){data, size}, &upgrade, &response, &len);
    FUZZ_CHECK(len <= size);
    FUZZ_CHECK(status != CHAT_OK || response.status == 101);
    return 0;
}
