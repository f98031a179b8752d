// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Draws a small set in CelebA's layout, which may not be passed on itself: each of the forty attributes is a shape in a place of its own.

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>
#include <string>
#include <string_view>

#include "examples/common/cli.hpp"
#include "examples/common/shapes.hpp"
using namespace headtorch;

constexpr std::array<std::string_view, 40> attributes = {"5_o_Clock_Shadow",
                                                         "Arched_Eyebrows",
                                                         "Attractive",
                                                         "Bags_Under_Eyes",
                                                         "Bald",
                                                         "Bangs",
                                                         "Big_Lips",
                                                         "Big_Nose",
                                                         "Black_Hair",
                                                         "Blond_Hair",
                                                         "Blurry",
                                                         "Brown_Hair",
                                                         "Bushy_Eyebrows",
                                                         "Chubby",
                                                         "Double_Chin",
                                                         "Eyeglasses",
                                                         "Goatee",
                                                         "Gray_Hair",
                                                         "Heavy_Makeup",
                                                         "High_Cheekbones",
                                                         "Male",
                                                         "Mouth_Slightly_Open",
                                                         "Mustache",
                                                         "Narrow_Eyes",
                                                         "No_Beard",
                                                         "Oval_Face",
                                                         "Pale_Skin",
                                                         "Pointy_Nose",
                                                         "Receding_Hairline",
                                                         "Rosy_Cheeks",
                                                         "Sideburns",
                                                         "Smiling",
                                                         "Straight_Hair",
                                                         "Wavy_Hair",
                                                         "Wearing_Earrings",
                                                         "Wearing_Hat",
                                                         "Wearing_Lipstick",
                                                         "Wearing_Necklace",
                                                         "Wearing_Necktie",
                                                         "Young"};

int main(int argc, char** argv) {
    std::int64_t count = 2000;
    const examples::Options options = examples::parse(argc, argv, "make_celeba", "Draws a set of images in CelebA's layout into --out.",
                                                      {.out = "celeba"},
                                                      {.numbers = {{"--images", "How many", 10, 202599, &count}}, .device = false});
    const std::filesystem::path folder = options.out / "img_align_celeba";
    std::filesystem::create_directories(folder);
    std::ofstream list(options.out / "list_attr_celeba.txt"), partition(options.out / "list_eval_partition.txt");
    list << count << '\n';
    for (const std::string_view name : attributes) list << name << ' ';
    list << '\n';

    Generator generator(options.seed);
    const auto image = empty<std::uint8_t>({3, 218, 178});
    for (std::int64_t i = 0; i < count; ++i) {
        char name[32];
        std::snprintf(name, sizeof name, "%06lld.jpg", static_cast<long long>(i + 1));
        const double grey = examples::draw_number(generator, 20, 90);
        examples::draw_ground(image, {grey, grey, grey + 20}, 10, generator);
        list << name;
        for (int k = 0; k < 40; ++k) {  // five columns and eight rows
            const bool there = generator.uniform<double>() < 0.5;
            list << (there ? "  1" : " -1");
            const double x = 20 + 32 * (k % 5) + examples::draw_number(generator, -2, 2),
                         y = 18 + 24 * static_cast<double>(k / 5) + examples::draw_number(generator, -2, 2), hue = 0.7 * k;
            const examples::Colour colour{170 + 80 * std::cos(hue), 170 + 80 * std::cos(hue + 2.1), 170 + 80 * std::cos(hue + 4.2)};
            if (there) examples::draw_shape(image, k % 10, x, y, examples::draw_number(generator, 8, 11), 0, colour);
        }
        list << '\n';
        partition << name << ' ' << (10 * i < 8 * count ? 0 : 10 * i < 9 * count ? 1 : 2) << '\n';
        io::write_jpeg((folder / name).string(), image, 90);
    }
    list.close();
    partition.close();
    if (!list || !partition) examples::fail(options, "could not write the lists in " + options.out.string());
    std::printf("%lld images with 40 attributes are in %s\n", static_cast<long long>(count), options.out.string().c_str());
    examples::Result().add("images", count).add("attributes", 40).print();
}
