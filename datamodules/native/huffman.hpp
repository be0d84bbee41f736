// Huffman codes of a baseline JPEG (ITU-T T.81, F.2.2), up to two coefficients a look into a table.
//
// Reading a code takes as long as the chain of operations from it to the next: look, shift, look. So a table says at
// once what the next LOOK bits hold: two symbols with their values, if they fit.

#pragma once

#include <cstdint>
#include <cstring>
#include <exception>

struct Refused : std::exception {};

inline void demand(bool sound) {
    if (!sound) throw Refused{};
}

constexpr int LOOK = 11;        // 2^LOOK pairs of 8 bytes: two tables fit into a processor's first cache
constexpr int BLOCK_END = 128;  // positions that the end of a block goes forward: beyond any that coefficients reach
constexpr int UNKNOWN = 255;    // positions that bits go forward which the table does not resolve
constexpr int POSITIONS = 64 + 2 * BLOCK_END;

// The order in which a block's coefficients come (T.81, figure A.6).
constexpr uint8_t ZIGZAG[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
                                41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
                                30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

// Where a block keeps the coefficient of a position; all beyond its end in a 65th place, which nobody reads.
struct Places {
    uint8_t of[POSITIONS];

    constexpr Places() : of() {
        for (int k = 0; k < POSITIONS; k++) of[k] = k < 64 ? ZIGZAG[k] : 64;
    }
};
constexpr Places PLACES;

struct Symbol {
    int16_t value;
    uint8_t zeros;  // before it, of an AC coefficient; BLOCK_END at the end of a block
    uint8_t bits;   // of code and value; 0 if they are more than LOOK: then value is the symbol, zeros its code's bits
};

struct Pair {
    uint16_t step;        // bits, and 256 times positions
    uint8_t zeros, more;  // positions to the first coefficient, and on to the second: 0 if there is one only
    int16_t first, second;
};

// The value of `size` bits (T.81, EXTEND).
inline int extended(uint32_t bits, int size) {
    return size && !(bits >> (size - 1)) ? int(bits) - (1 << size) + 1 : int(bits);
}

// Zeros before the coefficient of an AC symbol; what a DC symbol says is its size alone.
inline uint8_t zeros_of(int symbol, bool ac) {
    if (!ac) return 0;
    return (symbol & 15) == 0 && symbol >> 4 < 15 ? BLOCK_END : symbol >> 4;
}

class Table {
  public:
    bool defined = false;  // by the present file
    Symbol quick[1 << LOOK];
    Pair pairs[1 << LOOK];  // of AC coefficients

    // From the numbers of codes of 1 to 16 bits and their symbols; nothing is to be done if it was so defined before.
    void define(const uint8_t* counts, const uint8_t* symbols, int total, bool ac) {
        defined = true;
        if (known == total && !std::memcmp(lengths, counts, 16) && !std::memcmp(values, symbols, total)) return;
        known = -1;
        std::memcpy(lengths, counts, 16);
        std::memcpy(values, symbols, total);
        std::memset(quick, 0, sizeof quick);
        int code = 0, index = 0;
        for (int length = 1; length <= 16; length++) {
            offset[length] = index - code;
            for (int i = 0; i < counts[length - 1]; i++) enter(code++, length, symbols[index++], ac);
            demand(code < 1 << length);  // ones alone are no code
            above[length] = code << (16 - length);
            code <<= 1;
        }
        if (ac) combine();
        known = total;
    }

    // The symbol of a code longer than LOOK that begins 16 bits, and how long it is.
    int longer(int bits, int& length) const {
        for (length = LOOK + 1; length <= 16 && bits >= above[length];) length++;
        demand(length <= 16);
        return values[uint8_t((bits >> (16 - length)) + offset[length])];
    }

  private:
    void enter(int code, int length, int symbol, bool ac) {
        const int size = symbol & 15, rest = LOOK - length;
        demand((ac || symbol <= 11) && code < 1 << length);
        for (int bits = 0; rest >= 0 && bits < 1 << rest; bits++) {
            Symbol& entry = quick[(code << rest) + bits];
            if (size > rest)
                entry = {int16_t(symbol), uint8_t(length), 0};
            else
                entry = {int16_t(extended(bits >> (rest - size), size)), zeros_of(symbol, ac), uint8_t(length + size)};
        }
    }

    void combine() {
        for (int bits = 0; bits < 1 << LOOK; bits++) {
            const Symbol first = quick[bits], next = quick[bits << first.bits & ((1 << LOOK) - 1)];
            Pair& pair = pairs[bits];
            if (!first.bits)
                pair = {step(0, UNKNOWN), UNKNOWN, 0, 0, 0};
            else if (first.zeros == BLOCK_END || !next.bits || first.bits + next.bits > LOOK)
                pair = {step(first.bits, first.zeros + 1), first.zeros, 0, first.value, first.value};
            else
                pair = {step(first.bits + next.bits, first.zeros + next.zeros + 2), first.zeros,
                        uint8_t(next.zeros + 1), first.value, next.value};
        }
    }

    static uint16_t step(int bits, int positions) { return bits + 256 * positions; }

    int known = -1;  // symbols that it was defined with, which are these:
    uint8_t lengths[16], values[256];
    int above[17], offset[17];  // of a length: codes are below it, as 16 bits; from a code to its symbol's place
};

// Bits from `next` on, from which the zeros stuffed behind 255 were taken; it looks up to 8 bytes ahead.
class Reader {
  public:
    explicit Reader(const uint8_t* start) : next(start) {}

    // The byte behind the last that was touched.
    const uint8_t* position() const { return next - left / 8; }

    Symbol symbol(const Table& table, bool ac) {
        fill();
        const Symbol quick = table.quick[bits >> (64 - LOOK)];
        if (__builtin_expect(!quick.bits, 0)) return unfitting(table, quick, ac);
        drop(quick.bits);
        return quick;
    }

    // The coefficients of a block but the first, written into `block` (65 places that hold 0) if they are KEPT. It is
    // sound if it is full, at position 64, or if its end brings it beyond BLOCK_END.
    template <bool KEPT>
    __attribute__((noinline)) void coefficients(const Table& table, int16_t* block) {
        Reader reader = *this, before = reader;  // copies, which stay in registers
        unsigned k = 1 << 8, k_before = k;       // 256 times the position, and the bits since the last filling
        for (;;) {
            reader.fill();
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                before.bits = reader.bits, k_before = k;
                const Pair& pair = table.pairs[reader.bits >> (64 - LOOK)];
                reader.bits <<= pair.step & 63;
                if (KEPT) {
                    const int place = (k >> 8) + pair.zeros;
                    block[PLACES.of[place]] = pair.first;
                    block[PLACES.of[place + pair.more]] = pair.second;
                }
                k += pair.step;
                if (k >= 64 << 8) goto beyond;
            }
            reader.left -= k & 255;
            k &= ~255;
            continue;
        beyond:
            const int reached = k >> 8;
            if (__builtin_expect(reached == 64 || (reached > BLOCK_END && reached < BLOCK_END + 64), 1)) {
                *this = reader, left -= k & 255;
                return;
            }
            // Unknown, or the second symbol may be of the next block: one symbol alone.
            reader.bits = before.bits, reader.left -= k_before & 255;
            const Symbol found = reader.symbol(table, true);
            int place = (k_before >> 8) + found.zeros;
            if (KEPT) block[PLACES.of[place]] = found.value;
            if (++place >= 64) {
                demand(place == 64 || place > BLOCK_END);
                *this = reader;
                return;
            }
            k = place << 8;
        }
    }

  private:
    const uint8_t* next;
    uint64_t bits = 0;  // the first is the highest
    int left = 0;       // of them are counted; those behind are right, too, or 0

    void fill() {
        uint64_t more;
        std::memcpy(&more, next, 8);
        bits |= __builtin_bswap64(more) >> left;
        next += (63 - left) >> 3;
        left |= 56;
    }

    void drop(int count) { bits <<= count, left -= count; }

    Symbol unfitting(const Table& table, Symbol quick, bool ac) {
        int length = quick.zeros;
        const int symbol = length ? quick.value : table.longer(bits >> 48, length), size = symbol & 15;
        drop(length);
        const int value = size ? extended(bits >> (64 - size), size) : 0;
        drop(size);
        return {int16_t(value), zeros_of(symbol, ac), 0};
    }
};
