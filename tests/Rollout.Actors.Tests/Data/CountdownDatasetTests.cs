using FsCheck.Fluent;
using Rollout.Actors.Data;
using Rollout.Actors.Rewards;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Rewards;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class CountdownDatasetTests
{
    private static readonly CountdownSettings Defaults =
        (CountdownSettings)RolloutSettings.From(ConfigTree.Load()).Data.Sections[DatasetType.Countdown];

    [Fact]
    public void One_seed_gives_the_same_problems_and_another_seed_others()
    {
        var first = Prompts(new CountdownDataset(Defaults, seed: 1).Train);
        Assert.Equal(first, Prompts(new CountdownDataset(Defaults, seed: 1).Train));
        Assert.NotEqual(first, Prompts(new CountdownDataset(Defaults, seed: 2).Train));
    }

    [Fact]
    public void The_held_out_problems_are_different_ones_and_the_same_for_every_seed()
    {
        var heldOut = new CountdownDataset(Defaults, seed: 1).HeldOut;
        Assert.Equal(Prompts(heldOut), Prompts(new CountdownDataset(Defaults, seed: 2).HeldOut));
        Assert.Equal(Defaults.HeldOut, heldOut.DistinctBy(Problem).Count());
    }

    [Fact]
    public void No_choice_of_numbers_that_is_held_out_is_trained_on() => Prop.ForAll(Gen.Choose(0, 1_000_000).ToArbitrary(), seed =>
    {
        var dataset = new CountdownDataset(Defaults with { MaxNumber = 6, MinNumbers = 3, MaxNumbers = 3, HeldOut = 20 }, seed);
        return !dataset.Train.Take(200).Select(Choice).Intersect(dataset.HeldOut.Select(Choice)).Any();
    }).Holds(runs: 20);

    [Fact]
    public void Every_problem_keeps_to_the_settings_and_its_search_ends_in_a_right_answer() =>
        Prop.ForAll(Any.ToArbitrary(), settings =>
        {
            foreach (var item in new CountdownDataset(settings, seed: 5).Train)
            {
                int[] numbers = [.. item.Fields["numbers"].Split(' ').Select(int.Parse)];
                Assert.InRange(numbers.Length, settings.MinNumbers, settings.MaxNumbers);
                Assert.All(numbers, number => Assert.InRange(number, 1, settings.MaxNumber));
                Assert.InRange(int.Parse(item.Fields["target"]), 1, settings.MaxTarget);
                Assert.Equal($"{item.Fields["numbers"]} = {item.Fields["target"]}\n", item.Prompt);
                Assert.Equal(1.0, Score(item, item.Fields["answer"]));
            }
        }).Holds(runs: 30);

    [Fact]
    public void A_search_has_tries_that_fail_and_then_the_one_that_makes_the_target()
    {
        foreach (var item in new CountdownDataset(Defaults, seed: 3).Train.Take(300))
        {
            var lines = item.Fields["answer"].Split('\n');
            string[] tries = lines[..^1];
            Assert.InRange(tries.Length, 1, Defaults.MaxTries);
            Assert.All(tries[..^1], attempt => Assert.False(attempt.EndsWith($"={item.Fields["target"]}", StringComparison.Ordinal)));
            Assert.EndsWith($"={item.Fields["target"]}", tries[^1], StringComparison.Ordinal);
            Assert.Equal(tries.Length, tries.Distinct().Count());
            foreach (var move in tries.SelectMany(attempt => attempt.Split(' ')))
            {
                var sides = move.Split('=');
                Assert.Equal(1.0, Score("", sides[1], sides[0]));
            }
        }
    }

    [Fact]
    public void A_share_of_the_searches_gives_up_with_what_a_try_that_failed_came_to()
    {
        var items = new CountdownDataset(Defaults with { GiveUp = 0.25 }, seed: 3).Train.Take(1000).ToArray();
        var givenUp = items.Where(item => Score(item, item.Fields["answer"]) == 0).ToArray();
        Assert.InRange(givenUp.Length, 200, 300);
        foreach (var item in givenUp)
        {
            var lines = item.Fields["answer"].Split('\n');
            Assert.All(lines[..^1], attempt => Assert.False(attempt.EndsWith($"={item.Fields["target"]}", StringComparison.Ordinal)));
            Assert.Equal(1.0, Score(WithTarget(item, lines[^2].Split('=')[^1]), lines[^1]));
        }
    }

    [Fact]
    public void A_search_without_a_try_that_can_fail_does_not_give_up()
    {
        Assert.Equal("3+2=5\n<answer>3+2</answer>", CountdownTrace.Write([2, 3], 5, tries: 5, givesUp: true, key: 1));
    }

    [Fact]
    public void A_search_of_the_defaults_has_100_to_400_characters_with_few_exceptions()
    {
        var lengths = new CountdownDataset(Defaults, seed: 4).Train.Take(2000)
            .Select(item => item.Fields["answer"].Length).Order().ToArray();
        Assert.InRange(lengths[200], 100, 400);
        Assert.InRange(lengths[^1], 100, 400);
    }

    [Fact]
    public void Every_largest_number_leaves_problems_to_train_on_and_to_hold_out()
    {
        for (var largest = 5; largest <= 99; largest++)
        {
            var settings = Defaults with { MaxNumber = largest, MaxNumbers = 3, MaxTarget = 10, HeldOut = 2, Problems = 2 };
            Assert.Equal(4, new CountdownDataset(settings, seed: 1) is var data ? data.Train.Concat(data.HeldOut).Count() : 0);
        }
    }

    [Fact]
    public void More_held_out_problems_than_there_are_are_refused_by_key() => Assert.Contains(
        "max-number = 5 and max-target = 10 give",
        Assert.Throws<ArgumentException>(() => new CountdownDataset(
            Defaults with { MaxNumber = 5, MaxNumbers = 3, MaxTarget = 10, HeldOut = 1000 }, seed: 1)).Message);

    private static readonly FsCheck.Gen<CountdownSettings> Any =
        from number in Gen.Choose(5, 99)
        from target in Gen.Choose(10, 999)
        from most in Gen.Choose(3, 4)
        from least in Gen.Choose(3, most)
        from tries in Gen.Choose(1, 30)
        select Defaults with
        {
            Problems = 5,
            HeldOut = 0,
            MaxNumber = number,
            MaxTarget = target,
            MinNumbers = least,
            MaxNumbers = most,
            MinTries = tries,
            MaxTries = tries + 3,
        };

    private static string[] Prompts(IEnumerable<PromptItem> items) => [.. items.Take(100).Select(item => item.Prompt)];

    private static string Choice(PromptItem item) =>
        string.Join(' ', item.Fields["numbers"].Split(' ').Select(int.Parse).Order());

    private static (string, string) Problem(PromptItem item) => (Choice(item), item.Fields["target"]);

    private static PromptItem WithTarget(PromptItem item, string target) =>
        item with { Fields = new Dictionary<string, string>(item.Fields) { ["target"] = target } };

    /// <summary>Scores an expression by its own numbers.</summary>
    private static double? Score(string id, string target, string expression) => Score(
        new PromptItem(id, "", new Dictionary<string, string>
        {
            ["numbers"] = string.Join(' ', expression.Split('+', '-', '*', '/')),
            ["target"] = target,
        }),
        $"<answer>{expression}</answer>");

    private static double? Score(PromptItem item, string completion) => new CountdownReward()
        .Score(new ScoredSample(item, completion, [1], FinishReason.Stop, MaxTokens: 400)).GetAwaiter().GetResult();
}
