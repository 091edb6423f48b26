/* The ABI of Weir's plugins (version 1) for C, without a library: include this file once, and write
 *
 *     static u32 transform(void)
 *
 * which answers `UNCHANGED`, `replace()`, `drop("why")` or `fail("why")`. Everything lives in fixed memory: an instance
 * works on one event and is thrown away. The ABI itself is in `plugin-host/abi-v1.md`, and by hand in
 * `plugin-host/abi-v1.wat`. */
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;

/* A piece of the event: `length` bytes, no zero at the end. */
typedef struct { const u8 *data; u32 length; } text;
#define TEXT(literal) ((text){ (const u8 *)(literal), sizeof(literal) - 1 })

enum { UNCHANGED = 0, REPLACE = 1, DROP = 2, RETRY = 3, FAIL = 4 };
enum { EVENT_ID = 1, EVENT_TYPE, TIMESTAMP, ATTEMPT, APP_ID, ENDPOINT_ID, HEADERS, CONFIG, BODY };

static u32 transform(void);

/* size; address and length of output, log, error text; flags */
static u32 mailbox[8] = { 32 };
enum { OUT = 1, LOG = 3, ERR = 5, FLAGS = 7 };

static u8 input[1 << 20], output[1 << 20], log_lines[1 << 14];
static u32 input_length, header_count;
static text new_body, new_type;
static int has_body;

static u32 load(const u8 *at) { u32 word; __builtin_memcpy(&word, at, 4); return word; }
static void store(u8 *at, u32 word) { __builtin_memcpy(at, &word, 4); }

/* Copies without a C library (with -nostdlib there is no memcpy to call; with bulk memory this is one instruction). */
static void copy(u8 *to, text from) { __builtin_memcpy(to, from.data, from.length); }

__attribute__((export_name("weir_abi_v1"))) u32 *weir_abi_v1(void) { return mailbox; }

__attribute__((export_name("weir_input"))) void *weir_input(u32 length) {
    return length <= sizeof input ? input : 0;
}

__attribute__((export_name("weir_transform"))) u32 weir_transform(u32 length) {
    input_length = length;
    return transform();
}

/* A part of the event. The host promises that the keys are there, in this order. */
static text part(u32 key) {
    return (text){ input + load(input + 12 * key), load(input + 12 * key + 4) };
}

static int equal(text a, text b) {
    if (a.length != b.length) return 0;
    for (u32 i = 0; i < a.length; i++) if (a.data[i] != b.data[i]) return 0;
    return 1;
}

static int starts_with(text a, text b) {
    return a.length >= b.length && equal((text){ a.data, b.length }, b);
}

/* Logs a line; level 1 error, 2 warn, 3 info, 4 debug, 5 trace. What does not fit any more is left out. */
static void log_line(u8 level, text line) {
    u32 at = mailbox[LOG + 1];
    if (at + line.length + 2 > sizeof log_lines) return;
    log_lines[at] = level;
    copy(log_lines + at + 1, line);
    log_lines[at + 1 + line.length] = '\n';
    mailbox[LOG] = (u32)log_lines;
    mailbox[LOG + 1] = at + line.length + 2;
}

static u32 say(u32 verdict, text why) {
    mailbox[ERR] = (u32)why.data;
    mailbox[ERR + 1] = why.length;
    return verdict;
}

static u32 drop(text why) { return say(DROP, why); }
static u32 fail(text why) { return say(FAIL, why); }

/* The patch is built from the front of `output`: room for a table of three entries, then the list of headers (its count
 * first), then the other entries. */
enum { TABLE = 8 + 3 * 12 };
static u32 end = TABLE + 4;

/* Sets a header. */
static void set_header(text name, text value) {
    u8 *at = output + end;
    if (end + 8 + name.length + value.length > sizeof output) return;
    store(at, name.length);
    store(at + 4, value.length);
    copy(at + 8, name);
    copy(at + 8 + name.length, value);
    end += 8 + name.length + value.length;
    header_count++;
}

static void set_body(text body) { new_body = body; has_body = 1; }
static void set_type(text type) { new_type = type; }

/* Writes the patch's table: what it does not name stays as it is. */
static u32 replace(void) {
    u32 count = 0;
    struct { u32 key; text bytes; } entries[3] = {
        { HEADERS, { output + TABLE, header_count ? end - TABLE : 0 } },
        { EVENT_TYPE, new_type },
        { BODY, new_body },
    };
    store(output + TABLE, header_count);
    for (u32 i = 0; i < 3; i++) {
        text bytes = entries[i].bytes;
        if (!bytes.length && !(entries[i].key == BODY && has_body)) continue;
        u32 offset = TABLE;
        if (i > 0) {
            offset = end;
            if (end + bytes.length > sizeof output) return fail(TEXT("the answer is too long"));
            copy(output + offset, bytes);
            end += bytes.length;
        }
        u8 *entry = output + 8 + 12 * count++;
        store(entry, entries[i].key);
        store(entry + 4, offset);
        store(entry + 8, bytes.length);
    }
    store(output, 1);
    store(output + 4, count);
    mailbox[OUT] = (u32)output;
    mailbox[OUT + 1] = end;
    return REPLACE;
}

/* What the plugin says of itself, without being run: one JSON object, as a string literal. By the assembler, as an
 * attribute on a variable would make it data. */
#define MANIFEST(json) \
    __asm__(".section \".custom_section.weir:manifest\",\"\",@\n.ascii " #json "\n.section .text,\"\",@\n")
