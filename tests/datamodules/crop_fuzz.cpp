// Crops of broken files, for test_crops.py: what was named on the command line, with bytes changed, doubled or cut off.

#include "../../datamodules/native/crop.cpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

int main(int count, char** names) {
    const int rounds = std::atoi(names[1]);
    std::mt19937 random(0);
    int read = 0;
    for (int name = 2; name < count; name++) {
        std::ifstream file(names[name], std::ios::binary);
        const std::vector<uint8_t> sound((std::istreambuf_iterator<char>(file)), {});
        for (int round = 0; round < rounds; round++) {
            std::vector<uint8_t> data = sound;
            // headers are short, so every other change is made among the first bytes
            const auto place = [&] { return random() % std::min<size_t>(data.size(), random() % 2 ? 1 << 20 : 700); };
            for (int change = random() % 6; change > 0; change--) data[place()] = random();
            if (random() % 4 == 0) data.resize(place() + 1);
            if (random() % 4 == 0) {
                const int64_t at = place(), length = random() % std::min<int64_t>(data.size() - at, 1000);
                const std::vector<uint8_t> again(data.begin() + at, data.begin() + at + length);
                data.insert(data.begin() + place(), again.begin(), again.end());
            }
            data.shrink_to_fit();
            const int top = random() % 64, left = random() % 64, rows = 1 + random() % 70, columns = 1 + random() % 70;
            std::vector<uint8_t> out(3 * rows * columns);
            const int bottom = top + 1 + random() % 160, right = left + 1 + random() % 210;
            try {
                // each with memory of its own, so that no other file's is there to be read beyond its end
                std::make_unique<Crops>()->crop(data.data(), data.size(), {top, left, bottom, right}, rows, columns,
                                                random() % 2, out.data());
                read++;
            } catch (const Refused&) {
            }
        }
    }
    std::printf("%d\n", read);
}
