using FsCheck.Fluent;
using Xunit;

namespace Rollout.Actors.Tests.Support;

public sealed class PropertyCheckTests
{
    [Fact]
    public void A_property_that_fails_says_how_to_run_its_input_again()
    {
        var failure = Assert.Throws<PropertyFailedException>(() => Prop.ForAll<int>(_ => false).Holds());

        Assert.Matches("Falsifiable", failure.Message);
        Assert.Matches(@"ROLLOUT_TEST_SEED=\d+,\d+$", failure.Message);
    }

    [Fact]
    public void The_seed_of_a_failure_gives_the_same_inputs_again()
    {
        var failure = Assert.Throws<PropertyFailedException>(() => Prop.ForAll<int>(_ => false).Holds());
        var seed = failure.Message[(failure.Message.LastIndexOf('=') + 1)..];

        var again = Assert.Throws<PropertyFailedException>(() => Prop.ForAll<int>(_ => false).Holds(seed: seed));

        Assert.Equal(failure.Message, again.Message);
    }
}
