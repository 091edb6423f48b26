/* Routes by region, in C: an event of another region than the configured one is dropped, the others get the header
 * `x-region`. The region is what stands behind the last dot of the event's type: `order.created.eu`.
 *
 * Configuration: `{"region": "eu"}`. It is found by its text: a plugin in C need not bring a JSON parser along. */
#include "weir.h"

MANIFEST("{\"abi\":1,\"name\":\"region\",\"version\":\"1.0.0\","
         "\"description\":\"Delivers the events of one region.\","
         "\"configSchema\":{\"type\":\"object\",\"required\":[\"region\"],\"additionalProperties\":false,"
         "\"properties\":{\"region\":{\"type\":\"string\",\"minLength\":1}}}}");

/* What stands between the third and the fourth quote of the configuration. */
static text region_of(text config) {
    u32 quotes = 0, start = 0;
    for (u32 i = 0; i < config.length; i++) {
        if (config.data[i] != '"') continue;
        if (++quotes == 3) start = i + 1;
        if (quotes == 4) return (text){ config.data + start, i - start };
    }
    return (text){ 0, 0 };
}

static text last_label(text type) {
    u32 start = type.length;
    while (start > 0 && type.data[start - 1] != '.') start--;
    return (text){ type.data + start, type.length - start };
}

static u32 transform(void) {
    text wanted = region_of(part(CONFIG));
    if (!wanted.length) return fail(TEXT("configuration: `region` is missing"));
    text region = last_label(part(EVENT_TYPE));
    if (!equal(region, wanted)) return drop(TEXT("another region"));
    log_line(3, TEXT("of this region"));
    set_header(TEXT("x-region"), region);
    return replace();
}
